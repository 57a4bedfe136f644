"""A changed window of each of several maps."""

from typing import NamedTuple

from torch import Tensor


class Change(NamedTuple):
    """New and old values in a window of S maps, of one size for all; where it hangs over a map's edge both are 0.

    Attributes:
        rows: (S,) int64, the maps' places in their batch.
        top: (S,) int64, the window's first line, perhaps outside.
        left: (S,) int64, its first column.
        new: (S, h, w, C).
        old: (S, h, w, C).
    """

    rows: Tensor
    top: Tensor
    left: Tensor
    new: Tensor
    old: Tensor
