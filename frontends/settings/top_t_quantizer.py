"""What `TopT` makes of the projections that survive, as settings."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import check_rules, positive
from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class TopTQuantizer:
    """The activation of `TopT`: a projection x on an atom d becomes sign(x) ||d||_1 where |x| >= beta eps ||d||_1.

    Paper 001, equation 3; other projections become 0.

    Attributes:
        eps: Linf size of the perturbation that the threshold is meant for, in [0, 1] pixel units; `8/255` is read.
        beta: the threshold in multiples of eps ||d||_1.

    Raises:
        ValueError: a negative eps, a beta that is not positive.
    """

    eps: PixelSize = "8/255"
    beta: float = 3.0

    def __post_init__(self) -> None:
        check_rules(positive(beta=self.beta))

    @property
    def threshold(self) -> float:
        """The least |x| / ||d||_1 that is not 0 afterwards."""
        return self.beta * float(self.eps)

    def __call__(self, survivors: Tensor, norms: Tensor) -> Tensor:
        """Quantise projections (..., L) on atoms of l1 norms (L,)."""
        return torch.where(survivors.abs() >= self.threshold * norms, survivors.sign() * norms, 0.0)

    def smooth_slope(self, survivors: Tensor, norms: Tensor, steepness: float) -> Tensor:
        """The derivative (..., L) that an adversary takes in its place, of tanh in the place of the steps (section 4).

        s / 2 [sech^2(s (x / ||d||_1 - beta eps)) + sech^2(s (x / ||d||_1 + beta eps))] with s the `steepness`.
        """
        x = survivors / norms
        below, above = torch.tanh(steepness * (x - self.threshold)), torch.tanh(steepness * (x + self.threshold))
        return (0.5 * steepness) * (2 - below.square() - above.square())  # sech^2 = 1 - tanh^2
