"""Maps that are read and written window by window."""

import torch
from torch import Tensor


class KeptMaps:
    """A batch of maps (B, H, W, C), with a place that windows over the edge are read from, as zeros, and written to."""

    def __init__(self, maps: Tensor) -> None:
        self.shape = tuple(maps.shape)
        channels = self.shape[-1]
        self._flat = torch.cat([maps.reshape(-1, channels), maps.new_zeros(1, channels)])

    def places(self, rows: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
        """Where windows lie: (S,) maps, first lines and columns -> (S, height, width) int64."""
        _, full_height, full_width, _ = self.shape
        lines = top[:, None] + torch.arange(height, device=top.device)
        columns = left[:, None] + torch.arange(width, device=left.device)
        inside = ((lines >= 0) & (lines < full_height))[:, :, None] & ((columns >= 0) & (columns < full_width))[:, None]
        places = (rows[:, None] * full_height + lines)[:, :, None] * full_width + columns[:, None]
        return torch.where(inside, places, self._outside)

    @property
    def _outside(self) -> int:
        return len(self._flat) - 1

    def only_inside(self, places: Tensor, values: Tensor) -> Tensor:
        """Values (S, h, w, C) for places (S, h, w), 0 where these lie outside."""
        inside = places != self._outside
        return values if inside.all() else values * inside[..., None]

    def read(self, places: Tensor) -> Tensor:
        """Values (S, h, w, C) at places (S, h, w), 0 outside."""
        return self._flat.index_select(0, places.flatten()).view(*places.shape, -1)

    def write(self, places: Tensor, values: Tensor) -> None:
        """Replace the values at places; those outside are dropped."""
        self._flat.index_copy_(0, places.flatten(), values.flatten(0, 2))
        self._flat[-1] = 0

    def whole(self, rows: Tensor) -> Tensor:
        """Whole maps (S, H, W, C)."""
        return self._flat[:-1].view(self.shape).index_select(0, rows)

    def replace(self, rows: Tensor, maps: Tensor) -> None:
        """Replace whole maps by (S, H, W, C)."""
        self._flat[:-1].view(self.shape)[rows] = maps
