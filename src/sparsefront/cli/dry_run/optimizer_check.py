"""Whether an optimizer can be built, before stage one takes its time."""

from typing import Any

from torch import nn, zeros


def check_optimizer(model: Any) -> None:
    """Build a model's optimizer on a parameter of no account, and forget it.

    Args:
        model: its `build_optimizer` is looked at.

    Raises:
        ValueError: it cannot be built, in its own words.
    """
    try:
        model.build_optimizer([nn.Parameter(zeros(1))])
    except Exception as error:
        text = " ".join(str(error).split()).rstrip(".")
        raise ValueError(
            f"`model.optimizer` must be built from parameters and its settings, found {type(error).__name__}: {text}; "
            "look at its settings, such as `lr`."
        ) from error
