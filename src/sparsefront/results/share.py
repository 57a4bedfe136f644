"""A share of samples with its uncertainty."""

import math
from dataclasses import dataclass

Z95 = 1.959963984540054  # the normal quantile that leaves 2.5 % on either side


@dataclass(frozen=True)
class Share:
    """`hits` of `total` samples, e.g. 60 of 500 still right.

    Attributes:
        hits: count of samples, 0 <= hits <= total.
        total: count of samples, at least 1.

    Raises:
        ValueError: the counts do not make a share.
    """

    hits: int
    total: int

    def __post_init__(self) -> None:
        if self.total < 1:
            raise ValueError(f"`total` must be at least 1, found {self.total}; a share of no samples says nothing.")
        if not 0 <= self.hits <= self.total:
            raise ValueError(f"`hits` must be in 0..{self.total} (`total`), found {self.hits}; count each sample once.")

    @property
    def value(self) -> float:
        """The share in [0, 1]."""
        return self.hits / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson score interval, (low, high) in [0, 1].

        The p that solve |hits/n - p| = z sqrt(p (1 - p) / n), z = 1.96. Unlike the textbook +-z sqrt(p (1 - p) / n) it
        stays in [0, 1] and keeps a width at 0 and 1. Source: Wilson (1927), J. Am. Stat. Assoc. 22; Newcombe (1998),
        Statistics in Medicine 17, method 3.
        """
        n, p = self.total, self.value
        shrink = 1 + Z95**2 / n
        centre = (p + Z95**2 / (2 * n)) / shrink
        half = Z95 / shrink * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
        return max(0.0, centre - half), min(1.0, centre + half)

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} %"
