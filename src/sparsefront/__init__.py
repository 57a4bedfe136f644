"""Train classifiers behind sparse-coding front ends and tell the truth about how robust they are."""

from sparsefront.common.working_folder import look_here_last_if_run

look_here_last_if_run()  # before anything else is imported

import importlib  # noqa: E402
import importlib.metadata  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from sparsefront.common import starting  # noqa: E402

if TYPE_CHECKING:
    from sparsefront.evaluation import RobustEvaluation
    from sparsefront.model.defended import DefendedClassifier
    from sparsefront.training.frontend_cache import FrontEndCache
    from sparsefront.training.stage_one import learn_front_end

__all__ = ["DefendedClassifier", "FrontEndCache", "RobustEvaluation", "learn_front_end"]

_HOMES = {
    "DefendedClassifier": "sparsefront.model.defended",
    "FrontEndCache": "sparsefront.training.frontend_cache",
    "RobustEvaluation": "sparsefront.evaluation",
    "learn_front_end": "sparsefront.training.stage_one",
}

starting.begin()


def __getattr__(name: str) -> Any:
    """Import when asked for: front ends and classifiers import `sparsefront.common`, and must not meet themselves."""
    if name == "__version__":
        return importlib.metadata.version("sparsefront")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
