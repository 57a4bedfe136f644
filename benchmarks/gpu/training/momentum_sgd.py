"""Stochastic gradient descent that a CUDA graph can hold."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class MomentumSGD:
    """v <- mu v + (g + weight_decay p), p <- p - rate v: `torch.optim.SGD`, but its rate is a tensor on the device.

    torch's own reads its rate on the CPU at each step, which a captured step cannot.

    Args:
        parameters: to be trained.
        momentum: mu.
        weight_decay: of all parameters.

    Attributes:
        rate: 0-dimensional, filled before each step.
        velocities: v, one a parameter.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], momentum: float = 0.9, weight_decay: float = 5e-4) -> None:
        self.parameters: list[Tensor] = list(parameters)
        self.momentum, self.weight_decay = momentum, weight_decay
        self.rate = torch.zeros((), device=self.parameters[0].device)
        self.velocities = [torch.zeros_like(parameter) for parameter in self.parameters]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """Move all parameters."""
        decayed = torch._foreach_add(list(gradients), self.parameters, alpha=self.weight_decay)
        torch._foreach_mul_(self.velocities, self.momentum)
        torch._foreach_add_(self.velocities, decayed)
        torch._foreach_sub_(self.parameters, list(torch._foreach_mul(self.velocities, self.rate)))
