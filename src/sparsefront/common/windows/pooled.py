"""Pooling of changed windows."""

from typing import TypeGuard

from torch import Tensor, nn
from torch.nn import functional as F

from sparsefront.common.windows.change import Change
from sparsefront.common.windows.kept_maps import KeptMaps
from sparsefront.common.windows.stage import Stage


class Pooled(Stage):
    """The largest value of each k x k, k also the stride.

    Args:
        layer: a pooling that `follows` says can be followed.
    """

    def __init__(self, layer: nn.MaxPool2d) -> None:
        size = layer.kernel_size
        self.size = size if isinstance(size, int) else size[0]

    @staticmethod
    def follows(layer: nn.Module) -> TypeGuard[nn.MaxPool2d]:
        """Whether a layer is a pooling of this kind."""
        if not isinstance(layer, nn.MaxPool2d) or layer.ceil_mode or layer.return_indices:
            return False
        same = layer.kernel_size == layer.stride and isinstance(layer.kernel_size, int)
        return same and layer.padding in (0, (0, 0)) and layer.dilation in (1, (1, 1))

    def whole(self, maps: Tensor, rows: Tensor | None) -> Tensor:
        """Pool whole maps."""
        made = _pool(maps, self.size)
        if rows is None:
            self._read, self._made = KeptMaps(maps), KeptMaps(made)
        else:
            self._read.replace(rows, maps)
            self._made.replace(rows, made)
        return made

    def follow(self, change: Change) -> Change:
        """Pool anew whatever the window reaches into."""
        size, (height, width) = self.size, change.new.shape[1:3]
        self._written = self._read.places(change.rows, change.top, change.left, height, width)
        self._old_read = self._read.read(self._written)
        self._read.write(self._written, change.new)
        top, left = change.top.div(size, rounding_mode="floor"), change.left.div(size, rounding_mode="floor")
        lines, columns = ((side + size - 2) // size + 1 for side in (height, width))
        pooled = self._read.places(change.rows, top * size, left * size, lines * size, columns * size)
        self._places = self._made.places(change.rows, top, left, lines, columns)
        old = self._made.read(self._places)
        new = _pool(self._read.read(pooled), size)
        self._new = self._made.only_inside(self._places, new)
        return Change(change.rows, top, left, self._new, old)

    def settle(self, accepted: Tensor) -> None:
        """Keep what was made for the samples that changed, and give the others back what they had."""
        if accepted.any():
            self._made.write(self._places[accepted], self._new[accepted])
        if not accepted.all():
            self._read.write(self._written[~accepted], self._old_read[~accepted])


def _pool(maps: Tensor, size: int) -> Tensor:
    """(S, H, W, C) -> (S, H // size, W // size, C)."""
    return F.max_pool2d(maps.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1)
