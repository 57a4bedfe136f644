"""Quantised codes of patches."""

from collections.abc import Callable

import torch
from torch import Tensor

from sparsefront.common.changes import kinds
from sparsefront.common.changes.step import Numbers, Step
from sparsefront.common.changes.windows import window_places


class SignCodes(Step):
    """The largest projections of each patch on atoms, quantised to their signs: the codes of `TopT`.

    Args:
        codes: images (B, C, H, W) -> codes (B, P, L), the whole.
        dictionary: (C n^2, L), the atoms.
        stride: between patches, in pixels.
        top_t: projections that stay, a patch.
        limits: (L,) what |projection| must reach not to become 0; absent: they stay as they are.
    """

    kind = kinds.SIGN_CODES
    keeps_input = True

    def __init__(
        self,
        codes: Callable[[Tensor], Tensor],
        dictionary: Tensor,
        patch_size: int,
        stride: int,
        top_t: int,
        limits: Tensor | None,
    ) -> None:
        self.codes, self.dictionary, self.limits = codes, dictionary.detach(), limits
        self.patch_size, self.stride, self.top_t = patch_size, stride, top_t

    def whole(self, maps: Tensor) -> Tensor:
        """The codes (B, h, w, L) of images (B, H, W, C)."""
        rows = (maps.shape[1] - self.patch_size) // self.stride + 1
        codes: Tensor = self.codes(maps.permute(0, 3, 1, 2)).unflatten(1, (rows, -1))
        return codes

    def numbers(self, height: int, width: int) -> Numbers:
        """Patch size, T, where patches are; the dictionary as (n^2, C, L), the atoms' l1 norms and limits behind it."""
        size, count = self.patch_size, self.dictionary.shape[1]
        atoms = self.dictionary.view(-1, size * size, count).transpose(0, 1).flatten()
        norms = self.dictionary.abs().sum(dim=0)
        limits = norms.new_full((count,), -1) if self.limits is None else self.limits
        quantises = int(self.limits is not None)
        down, along = ([(at, at + size) for at in range(0, side - size + 1, self.stride)] for side in (height, width))
        places = window_places(down, height, along, width)
        return Numbers((size, self.top_t, quantises), places=places, weights=torch.cat([atoms, norms, limits]))
