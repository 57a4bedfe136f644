"""What the linear filters share: borders, weighted shifts, and staying within [0, 1]."""

from collections.abc import Sequence

import torch
from torch import Tensor


def pad_symmetric(images: Tensor, before: int, after: int) -> Tensor:
    """Mirror (B, C, H, W) images at their borders, edge pixels included: `before` above and left, `after` elsewhere.

    (d c b a | a b c d | d c b a), what SciPy calls `reflect`. Neither may be more than a side.
    """
    for dim in (-2, -1):
        size = images.shape[dim]
        first, last = images.narrow(dim, 0, before), images.narrow(dim, size - after, after)
        images = torch.cat([first.flip(dim), images, last.flip(dim)], dim=dim)
    return images


def window(size: int) -> tuple[int, int]:
    """Pixels before and after the centre of a window of `size`; the centre of an even one is right of its middle."""
    return size // 2, (size - 1) // 2


def filter_separably(images: Tensor, weights: Sequence[float]) -> Tensor:
    """Correlate (B, C, H, W) images with `weights` along the columns and then along the rows, borders mirrored.

    The weights are not negative and sum to 1, so that pixels stay within [0, 1] but for rounding.
    """
    height, width = images.shape[-2:]
    padded = pad_symmetric(images, *window(len(weights)))
    rows = _weighted_shifts(padded, weights, -2, height)
    return within_range(_weighted_shifts(rows, weights, -1, width))


def _weighted_shifts(padded: Tensor, weights: Sequence[float], dim: int, size: int) -> Tensor:
    total = padded.narrow(dim, 0, size) * weights[0]
    for shift, weight in enumerate(weights[1:], start=1):
        total = total + padded.narrow(dim, shift, size) * weight
    return total


def within_range(images: Tensor) -> Tensor:
    """Clip to [0, 1] what only rounding has carried out of it; a white pixel keeps its gradient."""
    with torch.no_grad():
        excess = images - images.clamp(0, 1)
    return images - excess
