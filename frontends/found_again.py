"""Gradients that cost time in the place of memory."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def found_again(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """`function` of images, computed once more in the backward pass so that nothing of it is kept until then.

    Unlike `torch.utils.checkpoint`, which drops saved tensors alone, this also drops what an autograd function holds in
    other ways, as implicit gradients hold the codes.

    Args:
        function: deterministic; only its argument gets a gradient, once differentiable.
        images: what it is called with.
    """
    return _FoundAgain.apply(images, function)


class _FoundAgain(torch.autograd.Function):
    """Forward: the value alone. Backward: the function with its graph, and the gradient through that."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(images)
        ctx.function = function
        return function(images)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        with torch.enable_grad():
            images = ctx.saved_tensors[0].detach().requires_grad_()
            return torch.autograd.grad(ctx.function(images), images, grad)[0], None
