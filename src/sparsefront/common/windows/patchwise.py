"""Functions of patches of the image."""

from collections.abc import Callable

from torch import Tensor

from sparsefront.common.windows.change import Change
from sparsefront.common.windows.kept_maps import KeptMaps
from sparsefront.common.windows.stage import Stage


class Patchwise(Stage):
    """Any function of each patch of the image by itself: the first of a chain.

    Args:
        function: images (S, C, H, W) -> maps (S, h, w, L), a position of which depends on the patch of `size` pixels a
            side that begins `stride` pixels a position further; as many positions as patches fit.
        size: of a patch, in pixels a side.
        stride: between patches, in pixels.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], size: int, stride: int) -> None:
        self.function, self.size, self.stride = function, size, stride

    def whole(self, maps: Tensor, rows: Tensor | None) -> Tensor:
        """The function of whole images (S, H, W, C)."""
        made = self.function(maps.permute(0, 3, 1, 2))
        if rows is None:
            self._read, self._made = KeptMaps(maps), KeptMaps(made)
        else:
            self._read.replace(rows, maps)
            self._made.replace(rows, made)
        return made

    def follow(self, change: Change) -> Change:
        """The function of all patches that the window reaches into."""
        size, stride = self.size, self.stride
        height, width = change.new.shape[1:3]
        self._written = self._read.places(change.rows, change.top, change.left, height, width)
        self._old_read = self._read.read(self._written)
        self._read.write(self._written, change.new)
        top, left = (-((size - 1 - start).div(stride, rounding_mode="floor")) for start in (change.top, change.left))
        lines, columns = ((side + size - 2) // stride + 1 for side in (height, width))
        reach = ((count - 1) * stride + size for count in (lines, columns))
        crops = self._read.read(self._read.places(change.rows, top * stride, left * stride, *reach))
        self._places = self._made.places(change.rows, top, left, lines, columns)
        self._new = self._made.only_inside(self._places, self.function(crops.permute(0, 3, 1, 2)))
        return Change(change.rows, top, left, self._new, self._made.read(self._places))

    def settle(self, accepted: Tensor) -> None:
        """Keep what was made for the samples that changed, and give the others back what they had."""
        if accepted.any():
            self._made.write(self._places[accepted], self._new[accepted])
        if not accepted.all():
            self._read.write(self._written[~accepted], self._old_read[~accepted])
