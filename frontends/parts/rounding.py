"""Rounding, and what an adversary may take for its derivative, which is 0 almost everywhere."""

from typing import Any, Literal

import torch
from torch import Tensor

Slope = Literal["exact", "straight", "cubic"]
Halves = Literal["up", "even", "away"]


def rounded(values: Tensor, slope: Slope, halves: Halves = "up") -> Tensor:
    """Round `values` to whole numbers, with the derivative that `slope` names.

    `exact`: 0. `straight`: 1. `cubic`: 3 (x - [x])^2, the derivative of [x] + (x - [x])^3, which is [x] at every whole
    number (Shin and Song 2017). Halves go up, to the even neighbour, or away from 0.
    """
    whole: Tensor = _Rounded.apply(values, slope, halves)
    return whole


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, slope: Slope, halves: Halves) -> Tensor:
        if halves == "up":
            whole = (values + 0.5).floor_()
        elif halves == "even":
            whole = torch.round(values)
        else:
            whole = values.abs().add_(0.5).floor_().copysign_(values)
        ctx.slope = slope
        if slope == "cubic" and ctx.needs_input_grad[0]:
            ctx.save_for_backward(values - whole)
        return whole

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        if ctx.slope == "straight":
            return gradient, None, None
        if ctx.slope == "exact":
            return torch.zeros_like(gradient), None, None
        (rest,) = ctx.saved_tensors
        return 3 * rest.square() * gradient, None, None
