"""An ideal or smooth low-pass filter in the frequency domain (compared with in paper 003)."""

import math
from typing import Literal

import torch
from torch import Tensor

from sparsefront.common.rules import check_rules, one_of
from sparsefront.frontends.base import FrontEnd


class LowPassFilter(FrontEnd):
    """Keeps the low spatial frequencies of each channel.

    With D the orthonormal cosine transform (DCT-II) along a side, X = D_H x D_W^T, and y = D_H^T (m X) D_W clipped to
    [0, 1]. The frequency of X(u, v) is f = sqrt((u/H)^2 + (v/W)^2) in multiples of the highest one along a side (half
    a cycle a pixel). `ideal`: m = 1 where f <= `cutoff`, else 0. `gaussian`: m = exp(-ln 2 (f / cutoff)^2), 1/2 at the
    cutoff. A cosine transform is the Fourier transform of the image mirrored at its borders, so that opposite borders
    do not leak into each other.

    Paper 003 filters its test images by "a low-pass filter" that it does not describe; Zhang et al. 2019 ("Adversarial
    defense by suppressing high-frequency components") put one in the Fourier domain before a classifier.

    Backward modes: `exact`, the same filter of the gradient where nothing was clipped, the default; `identity`.

    Args:
        image_shape: (C, H, W) of the images.
        cutoff: highest frequency kept, in multiples of half a cycle a pixel, up to sqrt(2), which keeps all; the
            default 1/2 is this project's, since no paper fixes one.
        shape: `ideal` rings at edges, `gaussian` does not.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        cutoff: float = 0.5,
        shape: Literal["ideal", "gaussian"] = "ideal",
    ) -> None:
        super().__init__(image_shape)
        if not 0 < cutoff <= math.sqrt(2):
            raise ValueError(
                f"`cutoff` must be above 0 and at most sqrt(2) = 1.4142, found {cutoff:g}; 1 is half a cycle a pixel."
            )
        check_rules(one_of(("ideal", "gaussian"), shape=shape))
        self.cutoff, self.shape = cutoff, shape

    def forward(self, images: Tensor) -> Tensor:
        """Filter (B, C, H, W) images."""
        height, width = images.shape[-2:]
        # float32 at least: sums over a whole side lose too much in half precision, autocast or not.
        with torch.autocast(images.device.type, enabled=False):
            pixels = images if images.dtype == torch.float64 else images.float()
            down, across = _cosines(height, pixels), _cosines(width, pixels)
            kept = (down @ pixels @ across.T) * self._mask(height, width, pixels)
            return (down.T @ kept @ across).clamp(0, 1).to(images.dtype)

    def _mask(self, height: int, width: int, like: Tensor) -> Tensor:
        down = torch.arange(height, device=like.device, dtype=like.dtype) / height
        across = torch.arange(width, device=like.device, dtype=like.dtype) / width
        frequency = torch.sqrt(down[:, None] ** 2 + across**2) / self.cutoff
        if self.shape == "ideal":
            return (frequency <= 1).to(like.dtype)
        return torch.exp(-math.log(2) * frequency**2)


def _cosines(size: int, like: Tensor) -> Tensor:
    """Orthonormal DCT-II (size, size), frequencies down."""
    frequency = torch.arange(size, device=like.device, dtype=like.dtype)
    # 2 frequency (pixel + 1/2), a whole number: reduced by the period before it meets pi, it loses nothing.
    phase = torch.outer(frequency, 2 * frequency + 1) % (4 * size)
    matrix = torch.cos(phase * (math.pi / (2 * size))) * math.sqrt(2 / size)
    return torch.cat([matrix[:1] * math.sqrt(0.5), matrix[1:]])
