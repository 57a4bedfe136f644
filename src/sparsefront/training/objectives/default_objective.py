"""The objective of a classifier for which none is named."""

from typing import Any

from torch import nn

from sparsefront.training.objectives.cross_entropy import CrossEntropy
from sparsefront.training.objectives.objective import Objective
from sparsefront.training.objectives.solved_read_out import SolvedReadOut

_BY_NAME: dict[Any, type[Objective]] = {kind.__name__: kind for kind in (CrossEntropy, SolvedReadOut)}


def default_objective(classifier: nn.Module) -> Objective:
    """Build the objective that a classifier declares, `CrossEntropy` if it declares none.

    Args:
        classifier: its attribute `default_objective`, if it has one, is the name of an objective of this package, or
            an `Objective` class that is built without settings.

    Raises:
        ValueError: the attribute is neither.
    """
    declared = getattr(classifier, "default_objective", CrossEntropy)
    kind = _BY_NAME.get(declared) if isinstance(declared, str) else declared
    if not isinstance(kind, type) or not issubclass(kind, Objective):
        raise ValueError(
            f"`default_objective` of {type(classifier).__name__} must be one of {', '.join(_BY_NAME)} or an Objective "
            f"class, found {declared!r}; leave it out for CrossEntropy."
        )
    return kind()
