"""ReLU and leaky ReLU."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsefront.evaluation.written_out.instruction import Instruction


class Rectify(Instruction):
    """max(x, slope x), of a slope in [0, 1), so that the output's sign is the input's.

    Args:
        slope: left of zero.

    Attributes:
        in_place: whether it may write into its input.
    """

    owns_output = False  # it is kept
    owns_gradients = True

    def __init__(self, slope: float) -> None:
        self.slope = slope
        self.in_place = False

    def forward(self, inputs: list[Any], keep: bool) -> tuple[Tensor, Any]:
        """Rectify; the output is kept."""
        (maps,) = inputs
        if self.slope == 0:
            output = F.relu(maps, inplace=self.in_place)
        else:
            output = F.leaky_relu(maps, self.slope, inplace=self.in_place)
        return output, output

    def backward(self, gradient: Tensor, kept: Tensor) -> tuple[Tensor]:
        """Multiply by the slope where the output is not positive."""
        if self.slope == 0:
            return (torch.ops.aten.threshold_backward.default(gradient, kept, 0),)
        return (torch.ops.aten.leaky_relu_backward.default(gradient, kept, self.slope, True),)
