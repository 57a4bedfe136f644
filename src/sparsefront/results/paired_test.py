"""Whether two systems differ on the same samples."""

from math import comb
from typing import NamedTuple

import numpy as np


class PairedTest(NamedTuple):
    """McNemar's exact test (McNemar 1947; exact by the binomial distribution).

    Attributes:
        first_alone: samples on which the first system stands and the second does not.
        second_alone: the other way round.
        p: the chance of so unequal counts or more were both systems equally likely to stand alone, in (0, 1].
    """

    first_alone: int
    second_alone: int
    p: float

    @classmethod
    def of(cls, first: np.ndarray, second: np.ndarray) -> "PairedTest":
        """From bool (N,), whether each system stands on each of the same samples.

        p = min(1, 2 sum_{i <= min(b, c)} C(b + c, i) / 2^(b + c) for the two counts b and c; 1 where both are 0.
        """
        one, other = int((first & ~second).sum()), int((second & ~first).sum())
        total = one + other
        tail = sum(comb(total, count) for count in range(min(one, other) + 1))
        return cls(one, other, min(1.0, 2 * tail / 2**total))
