"""Whether the settings of an analysis of representations can be."""

from collections.abc import Mapping, Sequence
from typing import get_args

from sparsefront.analysis.distance import Deviation, Difference
from sparsefront.results.representation_check import ORIGINAL

_LEAST = {"max_samples": 1, "positive": 0, "neuron": 0, "n_training": 0, "n_images": 0}


def check_representation_settings(
    names: Sequence[str], counts: Mapping[str, int | None], difference: str, deviation: str
) -> None:
    """Raise a ValueError that names the first setting of `Representations` which is out of range.

    Args:
        names: of the variants, which must differ; none is that of the original.
        counts: by name, `max_samples`, `positive`, `neuron`, `n_training` and `n_images`; None is not looked at.
        difference: of the distance.
        deviation: of the distance.
    """
    all_names = [ORIGINAL, *names]
    if twice := sorted({name for name in all_names if all_names.count(name) > 1}):
        raise ValueError(
            f"`variants` must have names of their own other than '{ORIGINAL}', found {twice} more than once; "
            "rename them."
        )
    for name, value in counts.items():
        if value is not None and value < _LEAST[name]:
            raise ValueError(f"`{name}` must be at least {_LEAST[name]}, found {value}.")
    for name, choice, kinds in (("difference", difference, Difference), ("deviation", deviation, Deviation)):
        if choice not in get_args(kinds):
            raise ValueError(f"`{name}` must be one of {', '.join(get_args(kinds))}, found {choice!r}.")
