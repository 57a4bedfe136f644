"""Rounding, and what an adversary may take for its derivative, which is 0 almost everywhere."""

from typing import Literal

from torch import Tensor

Slope = Literal["exact", "straight", "cubic"]


def with_slope(values: Tensor, whole: Tensor, slope: Slope) -> Tensor:
    """Return `whole`, the rounded `values`, with the gradient that `slope` names.

    `exact`: whatever gradient `whole` has, for torch's `floor` and `round` 0. `straight`: 1. `cubic`:
    3 (x - [x])^2, the derivative of [x] + (x - [x])^3, which is [x] at every integer (Shin and Song 2017).
    """
    if slope == "exact" or not values.requires_grad:
        return whole
    moved = values - values.detach()  # exactly 0: it changes the gradient alone
    if slope == "cubic":
        moved = 3 * (values - whole).detach() ** 2 * moved
    return whole.detach() + moved
