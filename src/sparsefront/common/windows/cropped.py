"""The middle of maps."""

import torch
from torch import Tensor

from sparsefront.common.windows.change import Change
from sparsefront.common.windows.stage import Stage


class Cropped(Stage):
    """Lines and columns left out on both sides, half of them each, an odd one at the end.

    Args:
        height: lines that stay, no more than there are.
        width: columns that stay.
    """

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width

    def whole(self, maps: Tensor, rows: Tensor | None) -> Tensor:
        """Crop."""
        self.top, self.left = (maps.shape[1] - self.height) // 2, (maps.shape[2] - self.width) // 2
        return maps[:, self.top : self.top + self.height, self.left : self.left + self.width]

    def follow(self, change: Change) -> Change:
        """The same window, seen from the crop's corner; what is left out does not change."""
        top, left = change.top - self.top, change.left - self.left
        height, width = change.new.shape[1:3]
        lines = top[:, None] + torch.arange(height, device=top.device)
        columns = left[:, None] + torch.arange(width, device=left.device)
        inside = ((lines >= 0) & (lines < self.height))[:, :, None] & ((columns >= 0) & (columns < self.width))[:, None]
        new, old = (values * inside[..., None] for values in (change.new, change.old))
        return Change(change.rows, top, left, new, old)

    def settle(self, accepted: Tensor) -> None:
        """It keeps nothing."""
