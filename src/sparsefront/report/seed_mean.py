"""A share over several seeds."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class SeedMean:
    """The shares p_1, ..., p_n of samples right that n runs reach which differ in their seeds alone.

    mean = (1 / n) sum_s p_s,    deviation = sqrt(sum_s (p_s - mean)^2 / (n - 1)),

    each seed counting once, however many samples it was evaluated on. The deviation is that of one seed from the mean
    (the sample standard deviation), not of the mean. There is no confidence interval: of a handful of seeds it would
    rest on a distribution that so few cannot show; `lowest` and `highest` are what they do show.

    Attributes:
        shares: one a seed, in [0, 1].

    Raises:
        ValueError: there are no shares.
    """

    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.shares:
            raise ValueError("`shares` must hold one share a seed, found none; leave out what no seed has.")

    @property
    def n(self) -> int:
        """How many seeds there are."""
        return len(self.shares)

    @property
    def mean(self) -> float:
        """In [0, 1]."""
        return math.fsum(self.shares) / self.n

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation; None of one seed, which does not say it."""
        if self.n == 1:
            return None
        return math.sqrt(math.fsum((share - self.mean) ** 2 for share in self.shares) / (self.n - 1))

    @property
    def lowest(self) -> float:
        """The least share."""
        return min(self.shares)

    @property
    def highest(self) -> float:
        """The greatest share."""
        return max(self.shares)

    def __str__(self) -> str:
        spread = "" if self.deviation is None else f" ± {100 * self.deviation:.1f}"
        return f"{100 * self.mean:.1f}{spread}"
