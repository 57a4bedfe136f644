"""Any other map, by automatic differentiation."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from sparsefront.evaluation.written_out.instruction import Instruction


class Local(Instruction):
    """A function whose gradient torch finds, in a graph of its own.

    Args:
        function: of the inputs, tensors or not -> a tensor, or what no gradient goes through.
        wants: of each input, whether it depends on the images.
    """

    def __init__(self, function: Callable[..., Any], wants: Sequence[bool]) -> None:
        self.function, self.wants = function, tuple(wants)

    def forward(self, inputs: list[Any], keep: bool) -> tuple[Any, Any]:
        """Call it; its graph is kept."""
        if not keep:
            return self.function(*inputs), None
        leaves = [_leaf(value) if want else value for value, want in zip(inputs, self.wants, strict=True)]
        with torch.enable_grad():
            output = self.function(*leaves)
        if not isinstance(output, Tensor) or not output.requires_grad:
            return output, None
        return output.detach(), (leaves, output)

    def backward(self, gradient: Tensor, kept: Any) -> tuple[Tensor | None, ...]:
        """Through the graph, which stays."""
        leaves, output = kept
        wanting = [leaf for leaf in leaves if _wants(leaf)]
        found = iter(torch.autograd.grad(output, wanting, gradient, retain_graph=True, allow_unused=True))
        return tuple(_laid_out(next(found), leaf) if _wants(leaf) else None for leaf in leaves)


def _leaf(value: Any) -> Any:
    return value.detach().requires_grad_(value.is_floating_point()) if isinstance(value, Tensor) else value


def _wants(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.requires_grad


def _laid_out(gradient: Tensor | None, leaf: Tensor) -> Tensor | None:
    """A gradient in its leaf's order of memory: torch hands back other ones, which all lines before would take over."""
    if gradient is None or gradient.stride() == leaf.stride():
        return gradient
    return torch.empty_like(leaf, requires_grad=False).copy_(gradient)
