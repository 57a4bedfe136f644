"""Functions of patches."""

from collections.abc import Callable

import torch
from torch import Tensor

from sparsefront.common.changes.change import Change
from sparsefront.common.changes.kept_maps import KeptMaps, Settle
from sparsefront.common.changes.stage import Stage


class Patchwise(Stage):
    """Any function of each patch of the maps by itself, such as a code or the largest value.

    Args:
        function: patches (P, C size^2), channel by channel and line by line -> values (P, L).
        size: of a patch, in positions a side.
        stride: between patches, in positions; there are as many as fit.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], size: int, stride: int) -> None:
        self.function, self.size, self.stride = function, size, stride

    def whole(self, maps: Tensor, samples: Tensor | None) -> Tensor:
        """The function of all patches of whole maps (S, H, W, C)."""
        patches = maps.unfold(1, self.size, self.stride).unfold(2, self.size, self.stride)  # (S, h, w, C, size, size)
        made = self.function(patches.flatten(3).flatten(0, 2)).view(*patches.shape[:3], -1)
        if samples is None:
            self._input, self._made = KeptMaps(maps), KeptMaps(made)
        else:
            self._input.replace(samples, maps)
            self._made.replace(samples, made)
        return made

    def follow(self, change: Change) -> tuple[Change, Settle]:
        """The function of all patches that changed positions belong to."""
        back = self._input.write(change.places, change.new)
        places = self._made.each_once(self._patches_of(change.places))
        samples, lines, columns = (part[:, None] for part in self._made.split(places))
        inner = torch.arange(self.size**2, device=places.device)
        down, along = lines * self.stride + inner // self.size, columns * self.stride + inner % self.size
        patches = self._input.read(self._input.places(samples, down, along))  # (P, size^2, C)
        new = self.function(patches.transpose(1, 2).flatten(1))
        old = self._made.take_from(places, new)
        settle = self._made.settling(places, old)

        def both(accepted: Tensor) -> None:
            back(accepted)
            settle(accepted)

        return Change(places, new, old).where_it_is_one(), both

    def _patches_of(self, places: Tensor) -> Tensor:
        """Places (P, n, n) of the patches that positions (P,) belong to."""
        samples, lines, columns = self._input.split(places)
        steps = torch.arange(-(-self.size // self.stride), device=places.device)
        down, along = (self._first(starts)[:, None] + steps for starts in (lines, columns))
        # A patch that begins behind the position, or ends before it, is none of its own.
        down = torch.where(down * self.stride <= lines[:, None], down, -1)
        along = torch.where(along * self.stride <= columns[:, None], along, -1)
        return self._made.places(samples[:, None, None], down[:, :, None], along[:, None, :])

    def _first(self, starts: Tensor) -> Tensor:
        """The first patch that holds a line or column: ceil((line - size + 1) / stride)."""
        return -((self.size - 1 - starts).div(self.stride, rounding_mode="floor"))
