"""Which of the overlapping patches of a batch of images lie where."""

import torch
from torch import Tensor

from sparsecode._named_kinds import named_kinds


class PatchGrid:
    """The patches that cover images: one every `stride` pixels, and one flush with the lower and right border.

    They are those of `sparsecode.extract_patches(..., cover=True)`. A place is (image, row, column) of the upper left
    pixel.

    Args:
        images: (B, C, H, W).
        patch_size: side n of the square patches, in pixels, at most H and W.
        stride: pixels from one patch to the next.
    """

    @named_kinds
    def __init__(self, images: Tensor, patch_size: int, stride: int) -> None:
        self.patch_size = patch_size
        height, width = images.shape[2:]
        self.rows, self.columns = (_starts(side, patch_size, stride, images.device) for side in (height, width))
        # Whether a patch that starts in the row holds a pixel's row, (rows, H); the same for columns.
        self._in_rows = _holds(self.rows, patch_size, height).to(images.dtype)
        self._in_columns = _holds(self.columns, patch_size, width).to(images.dtype)

    def touching(self, region: Tensor) -> Tensor:
        """Which patches hold a pixel of bool (B, 1, H, W): bool (B, rows, columns)."""
        pixels = self._in_rows @ region[:, 0].to(self._in_rows) @ self._in_columns.T
        return pixels > 0.5

    def coverage(self, chosen: Tensor) -> Tensor:
        """How many of the chosen patches, bool (B, rows, columns), hold each pixel: (B, 1, H, W)."""
        return (self._in_rows.T @ chosen.to(self._in_rows) @ self._in_columns)[:, None]

    def places(self, chosen: Tensor) -> Tensor:
        """The places (N, 3) of the chosen patches, bool (B, rows, columns)."""
        image, row, column = chosen.nonzero().unbind(dim=1)
        return torch.stack([image, self.rows[row], self.columns[column]], dim=1)

    def moments(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of every entry of a patch over all patches of its image, two (B, C n n).

        Sums over patches are products with matrices that count how often a pixel is the i-th of a patch.
        """
        rows, columns = self._entries(self.rows, images.shape[2]), self._entries(self.columns, images.shape[3])
        middle = images.detach().mean(dim=(2, 3), keepdim=True)  # variances far from 0 would cancel
        centred = images - middle
        mean = rows @ centred @ columns.T
        variance = rows @ centred.square() @ columns.T - mean.square()
        return (mean + middle).flatten(1), variance.flatten(1).clamp_min(0)

    def _entries(self, starts: Tensor, side: int) -> Tensor:
        """(n, side): the share of the patches whose i-th row (or column) is a pixel's."""
        entries = starts[:, None] + torch.arange(self.patch_size, device=starts.device)
        counts = torch.nn.functional.one_hot(entries, side).sum(dim=0)
        return counts.to(self._in_rows) / len(starts)


def _starts(side: int, patch_size: int, stride: int, device: torch.device) -> Tensor:
    starts = torch.arange(0, side - patch_size + 1, stride, device=device)
    return torch.cat([starts, starts.new_full((int(starts[-1] != side - patch_size),), side - patch_size)])


def _holds(starts: Tensor, patch_size: int, side: int) -> Tensor:
    pixels, first = torch.arange(side, device=starts.device), starts[:, None]
    return (first <= pixels) & (pixels < first + patch_size)
