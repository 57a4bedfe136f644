"""Changed positions of a batch of maps."""

from typing import NamedTuple

from torch import Tensor


class Change(NamedTuple):
    """New and old values at P positions of a batch of maps (B, H, W, C).

    Attributes:
        places: (P,) int64, each once: b H W + y W + x.
        new: (P, C).
        old: (P, C).
    """

    places: Tensor
    new: Tensor
    old: Tensor

    def where_it_is_one(self) -> "Change":
        """Without the positions whose value stays."""
        return self.of((self.new != self.old).any(dim=1))

    def of(self, chosen: Tensor) -> "Change":
        """Of some positions, bool (P,)."""
        rows = chosen.nonzero().squeeze(1)  # once, where three masks would look for them three times
        return Change(*(values.index_select(0, rows) for values in self))
