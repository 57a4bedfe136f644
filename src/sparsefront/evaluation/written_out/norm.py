"""Batch normalisation by fixed statistics, where it could not be folded."""

from typing import Any

import torch
from torch import Tensor, nn

from sparsefront.evaluation.written_out.instruction import Instruction


class Norm(Instruction):
    """y = scale x + shift, channel by channel.

    Args:
        layer: in evaluation mode, with running statistics; nothing of it may change.

    Attributes:
        scale: (C,).
    """

    owns_output = True

    def __init__(self, layer: nn.BatchNorm2d) -> None:
        mean, variance = layer.running_mean, layer.running_var
        assert mean is not None
        assert variance is not None
        self.mean, self.variance, self.eps = mean.detach(), variance.detach(), layer.eps
        self.weight = layer.weight.detach() if layer.affine else torch.ones_like(self.mean)
        self.bias = layer.bias.detach() if layer.affine else torch.zeros_like(self.mean)
        self.scale = self.weight / (self.variance + self.eps).sqrt()
        self.hands_on = False
        self.owns_gradients = True
        self._nothing, self._one = torch.zeros_like(self.mean), torch.ones_like(self.mean)

    def hand_on(self) -> None:
        """From now on, whoever comes before it in the backward pass has multiplied by the scale already."""
        self.hands_on, self.owns_gradients = True, False

    def forward(self, inputs: list[Any], keep: bool) -> tuple[Tensor, Any]:
        """Normalise."""
        settings = self.weight, self.bias, self.mean, self.variance, False, 0.0, self.eps, False
        return torch.batch_norm(inputs[0], *settings), ()

    def backward(self, gradient: Tensor, kept: Any) -> tuple[Tensor]:
        """Multiply by the scale."""
        if self.hands_on:
            return (gradient,)
        # A product with one number a channel takes torch several times as long in channels_last memory.
        settings = self.scale, self._nothing, self._nothing, self._one, False, 0.0, 0.0, False
        return (torch.batch_norm(gradient, *settings),)
