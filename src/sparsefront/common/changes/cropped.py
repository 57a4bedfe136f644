"""The middle of maps."""

from torch import Tensor

from sparsefront.common.changes import kinds
from sparsefront.common.changes.step import Numbers, Step


class Cropped(Step):
    """Lines and columns left out on both sides, half of them each, an odd one at the end.

    Args:
        height: lines that stay, no more than there are.
        width: columns that stay.
    """

    kind = kinds.CROPPED
    keeps_output = False

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width

    def whole(self, maps: Tensor) -> Tensor:
        """Crop."""
        top, left = self._corner(*maps.shape[1:3])
        return maps[:, top : top + self.height, left : left + self.width]

    def numbers(self, height: int, width: int) -> Numbers:
        """Where the middle begins."""
        return Numbers(self._corner(height, width))

    def _corner(self, height: int, width: int) -> tuple[int, int]:
        return (height - self.height) // 2, (width - self.width) // 2
