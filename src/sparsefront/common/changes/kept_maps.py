"""Maps that are read and written position by position."""

from collections.abc import Callable

import torch
from torch import Tensor

Settle = Callable[[Tensor], None]
"""Told of a bool (B,): the samples that a change is made for; of the others all becomes what it was."""


class KeptMaps:
    """A batch of maps (B, H, W, C), with one position more that stands for all outside.

    Attributes:
        flat: (B H W + 1, C), the last row for what lies outside.
        height: H.
        width: W.
    """

    def __init__(self, maps: Tensor) -> None:
        count, self.height, self.width, channels = maps.shape
        self.flat = torch.cat([maps.reshape(-1, channels), maps.new_zeros(1, channels)])
        self._shape = count, self.height, self.width, channels
        self._marked = torch.zeros(len(self.flat), dtype=torch.bool, device=maps.device)

    @property
    def outside(self) -> int:
        """The place of what lies outside."""
        return len(self.flat) - 1

    def split(self, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sample, line and column of places (P,)."""
        lines = places.div(self.width, rounding_mode="floor")
        samples = lines.div(self.height, rounding_mode="floor")
        return samples, lines - samples * self.height, places - lines * self.width

    def places(self, samples: Tensor, lines: Tensor, columns: Tensor) -> Tensor:
        """Places of samples, lines and columns, shapes that go together; one place for all that lie outside."""
        inside = (lines >= 0) & (lines < self.height) & (columns >= 0) & (columns < self.width)
        return torch.where(inside, (samples * self.height + lines) * self.width + columns, self.outside)

    def each_once(self, places: Tensor) -> Tensor:
        """The places (U,) among some of any shape, each once, without what lies outside."""
        self._marked[places.flatten()] = True
        self._marked[-1] = False
        once = self._marked.nonzero().squeeze(1)
        self._marked[once] = False
        return once

    def read(self, places: Tensor) -> Tensor:
        """Values (..., C) at places (...)."""
        return self.flat.index_select(0, places.flatten()).view(*places.shape, self.flat.shape[1])

    def write(self, places: Tensor, values: Tensor) -> Settle:
        """Write values (P, C) at places (P,); what was there comes back for samples that the change is not made for."""
        return self.settling(places, self.take_from(places, values))

    def take_from(self, places: Tensor, values: Tensor) -> Tensor:
        """Write values (P, C) at places (P,), and return what was there."""
        before = self.read(places)
        self.flat.index_copy_(0, places, values)
        return before

    def settling(self, places: Tensor, before: Tensor) -> Settle:
        """Gives places (P,) their values (P, C) before back, of samples that the change is not made for."""

        def settle(accepted: Tensor) -> None:
            samples = places.div(self.height * self.width, rounding_mode="floor")
            refused = (~accepted.index_select(0, samples)).nonzero().squeeze(1)
            self.flat.index_copy_(0, places.index_select(0, refused), before.index_select(0, refused))

        return settle

    def whole(self, samples: Tensor) -> Tensor:
        """Whole maps (S, H, W, C)."""
        return self.flat[:-1].view(self._shape).index_select(0, samples)

    def replace(self, samples: Tensor, maps: Tensor) -> None:
        """Replace whole maps by (S, H, W, C)."""
        self.flat[:-1].view(self._shape)[samples] = maps
