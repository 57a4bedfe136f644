"""The middle of maps."""

from torch import Tensor

from sparsefront.common.changes.change import Change
from sparsefront.common.changes.kept_maps import Settle
from sparsefront.common.changes.stage import Stage, nothing_kept


class Cropped(Stage):
    """Lines and columns left out on both sides, half of them each, an odd one at the end.

    Args:
        height: lines that stay, no more than there are.
        width: columns that stay.
    """

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width

    def whole(self, maps: Tensor, samples: Tensor | None) -> Tensor:
        """Crop."""
        self._full = maps.shape[1:3]
        self._top, self._left = (maps.shape[1] - self.height) // 2, (maps.shape[2] - self.width) // 2
        return maps[:, self._top : self._top + self.height, self._left : self._left + self.width]

    def follow(self, change: Change) -> tuple[Change, Settle]:
        """The same change, without what is left out."""
        height, width = self._full
        lines, columns = change.places // width, change.places % width - self._left
        samples, lines = lines // height, lines % height - self._top
        inside = (lines >= 0) & (lines < self.height) & (columns >= 0) & (columns < self.width)
        places = (samples * self.height + lines) * self.width + columns
        return change._replace(places=places).of(inside), nothing_kept
