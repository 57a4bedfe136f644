"""Accuracy where a model draws random numbers."""

from typing import NamedTuple

import numpy as np

DEVIATIONS = 1.96  # on either side of the mean, for 95 %


class OverDraws(NamedTuple):
    """Accuracy in one pass over some samples, of a model whose answers change from draw to draw.

    Attributes:
        mean: share of right answers over all draws and samples.
        spread: half the width of the 95 % interval that one pass over the same samples falls into.
    """

    mean: float
    spread: float

    @classmethod
    def of(cls, shares: np.ndarray, draws: int) -> "OverDraws":
        """From each sample's share s of right answers (N,) in `draws` draws, two or more.

        Draws of different samples are independent, so a pass varies by sum p (1 - p) / N^2, and s (1 - s) k / (k - 1)
        estimates p (1 - p) of a sample without bias from k draws.
        """
        variance = (shares * (1 - shares)).sum() * draws / (draws - 1) / len(shares) ** 2
        return cls(float(shares.mean()), DEVIATIONS * float(variance) ** 0.5)

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} % ± {100 * self.spread:.1f}"
