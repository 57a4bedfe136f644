"""Convolutions."""

from typing import Any

import torch
from torch import Tensor, nn

from sparsefront.evaluation.written_out.instruction import Instruction


class Convolution(Instruction):
    """A convolution of one group, whose gradient is the transposed one.

    A CPU computes that sooner than what automatic differentiation calls for the same.

    Args:
        layer: of one group with numbers as its padding of zeros (`can_be_written_out`); its weights must not change.
    """

    owns_output = True
    owns_gradients = True

    def __init__(self, layer: nn.Conv2d) -> None:
        self.weight = self.transposed = layer.weight.detach()
        self.bias = None if layer.bias is None else layer.bias.detach()
        self.stride, self.dilation = layer.stride, layer.dilation
        self.padding = tuple(int(size) for size in layer.padding)

    @staticmethod
    def can_be_written_out(layer: nn.Conv2d) -> bool:
        """Whether a bare layer is one of these."""
        return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)

    def scale_inputs(self, scale: Tensor) -> None:
        """From now on, gradients in the input channels come multiplied by a scale (C,)."""
        scaled = self.transposed * scale[:, None, None]
        self.transposed = scaled.contiguous(memory_format=torch.channels_last)

    def forward(self, inputs: list[Any], keep: bool) -> tuple[Tensor, Any]:
        """Convolve; only the size is kept."""
        (maps,) = inputs
        output = torch.conv2d(maps, self.weight, self.bias, self.stride, self.padding, self.dilation)
        return output, maps.shape

    def backward(self, gradient: Tensor, kept: torch.Size) -> tuple[Tensor]:
        """Convolve with the transposed weights; rows and columns that the stride left out get nothing."""
        left_out = [
            (size + 2 * padding - dilation * (kernel - 1) - 1) % stride
            for size, padding, dilation, kernel, stride in zip(
                kept[2:], self.padding, self.dilation, self.weight.shape[2:], self.stride, strict=True
            )
        ]
        settings = self.stride, self.padding, left_out, 1, self.dilation
        return (torch.conv_transpose2d(gradient, self.transposed, None, *settings),)
