"""Gradients that cost time in the place of memory."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def recompute_in_backward(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """`function(*tensors)`, computed once more in the backward pass so that nothing of it is kept until then.

    Unlike `torch.utils.checkpoint`, which drops saved tensors alone, this also drops what an autograd function holds in
    other ways, as implicit gradients hold the codes.

    Args:
        function: deterministic; only its arguments get a gradient, once differentiable.
        tensors: what it is called with, some of which may want no gradient.
    """
    value: Tensor = _Recomputed.apply(function, *tensors)
    return value


class _Recomputed(torch.autograd.Function):
    """Forward: the value alone. Backward: the function with its graph, and the gradient through that."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors)
        ctx.function = function
        return function(*tensors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        wants = ctx.needs_input_grad[1:]
        with torch.enable_grad():
            tensors = [
                tensor.detach().requires_grad_(want) for tensor, want in zip(ctx.saved_tensors, wants, strict=True)
            ]
            wanting = [tensor for tensor in tensors if tensor.requires_grad]
            found = iter(torch.autograd.grad(ctx.function(*tensors), wanting, grad, allow_unused=True))
        return None, *(next(found) if want else None for want in wants)
