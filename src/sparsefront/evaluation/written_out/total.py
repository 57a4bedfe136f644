"""Sums of two maps, at shortcuts."""

from typing import Any

from torch import Tensor

from sparsefront.evaluation.written_out.instruction import Instruction


class Total(Instruction):
    """The sum of two tensors, as torch broadcasts them.

    Attributes:
        into: which of the two may be written into, if any.
    """

    owns_output = True

    def __init__(self) -> None:
        self.into: int | None = None

    def forward(self, inputs: list[Any], keep: bool) -> tuple[Tensor, Any]:
        """Add; sizes are kept."""
        one, other = inputs
        sizes = one.shape, other.shape
        if self.into is None or sizes[0] != sizes[1] or one.dtype != other.dtype:
            return one + other, sizes
        output: Tensor = inputs[self.into].add_(inputs[1 - self.into])
        return output, sizes

    def backward(self, gradient: Tensor, kept: Any) -> tuple[Tensor, Tensor]:
        """The same for both."""
        one, other = (gradient.sum_to_size(size) for size in kept)
        return one, other
