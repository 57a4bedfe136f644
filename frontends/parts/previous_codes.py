"""Codes to start from: those of the image nearest to it in the call before."""

from typing import NamedTuple

import torch
from torch import Tensor


class _Call(NamedTuple):
    images: Tensor  # (B, C, H, W)
    groups: Tensor  # (B,)
    codes: Tensor  # (B, K, H, W), sparse


class PreviousCodes:
    """Keeps the codes of one batch, as their nonzeros, for the next one to start from.

    An image starts from the codes of the nearest image of the batch before, wherever in the batch that was, as attacks
    drop images on the way; if that is of the same group and within `radius`. Otherwise it starts from zeros.

    Args:
        radius: root mean square difference of two images in [0, 1] pixel units that are still near.
    """

    def __init__(self, radius: float = 8 / 255) -> None:
        self.radius = radius
        self._call: _Call | None = None

    @property
    def kept(self) -> Tensor:
        """The codes of the last call, sparse (B, K, H, W)."""
        if self._call is None:
            raise ValueError("There are no codes before the first call.")
        return self._call.codes

    def keep(self, images: Tensor, groups: Tensor, codes: Tensor) -> None:
        """Remember the sparse `codes` (B, K, H, W) of `images` (B, C, H, W), whose dictionaries are `groups` (B,)."""
        self._call = _Call(images.detach(), groups, codes)

    @torch.no_grad()
    def match(self, images: Tensor, groups: Tensor) -> Tensor:
        """For each image the row of the call before that it starts from, or -1; (B,)."""
        before = self._call
        nothing = groups.new_full((len(images),), -1)
        if before is None or not len(before.images) or before.images.shape[1:] != images.shape[1:]:
            return nothing
        if (before.images.dtype, before.images.device) != (images.dtype, images.device):
            return nothing
        distances = torch.cdist(images.flatten(1), before.images.flatten(1)) / images.shape[1:].numel() ** 0.5
        distances = distances.masked_fill(groups[:, None] != before.groups, torch.inf)
        least = distances.min(dim=1)
        return torch.where(least.values <= self.radius, least.indices, -1)

    def codes(self, rows: Tensor) -> Tensor | None:
        """The codes (N, K, H, W) of `rows` (N,) of the call before, zeros for -1; None if all are that."""
        near = rows >= 0
        if self._call is None or not near.any():
            return None
        found = self._call.codes.index_select(0, rows.clamp_min(0)).to_dense()
        return found * near[:, None, None, None]
