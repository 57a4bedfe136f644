"""The names of the settings that a group such as `trainer` holds."""

import inspect
from functools import cache

from pytorch_lightning import Trainer

from sparsefront.analysis import Representations
from sparsefront.evaluation import RobustEvaluation
from sparsefront.model.defended import DefendedClassifier
from sparsefront.runs.run_checkpoints import RunCheckpoints
from sparsefront.training.frontend_cache import FrontEndCache

_BUILT: dict[str, type] = {
    "trainer": Trainer,
    "model": DefendedClassifier,
    "evaluation": RobustEvaluation,
    "analysis": Representations,
    "frontend_cache": FrontEndCache,
    "checkpoint": RunCheckpoints,
}


@cache
def group_settings(group: str) -> tuple[str, ...]:
    """Those that its class is built from, a parent's too where it hands them on; none of what is no group."""
    names: dict[str, None] = {}
    for kind in _BUILT[group].__mro__ if group in _BUILT else ():
        own = list(inspect.signature(kind).parameters.values())
        names |= dict.fromkeys(one.name for one in own if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL))
        if not any(one.kind is one.VAR_KEYWORD for one in own):
            break
    return tuple(names)
