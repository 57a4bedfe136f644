"""Images a little away from others."""

import torch
from torch import Tensor

from sparsefront.common.noise import uniform


def moved(images: Tensor, indices: Tensor, size: float, stream: int) -> Tensor:
    """Images (B, C, H, W) with every pixel up or down by `size`, clipped to [0, 1]; a function of (index, stream)."""
    draws = uniform(indices, images.shape[1:], seed=0, stream=stream).to(images)
    return (images + torch.where(draws < 0.5, -size, size)).clamp(0, 1).to(images)


def moved_within(images: Tensor, indices: Tensor, size: float, stream: int) -> Tensor:
    """Images (B, C, H, W) with every pixel moved by up to `size`; a function of (index, stream).

    A pixel that would leave [0, 1] moves as far the other way.
    """
    draws = uniform(indices, images.shape[1:], seed=0, stream=stream).to(images)
    away = images + size * (2 * draws - 1)
    return torch.where((away < 0) | (away > 1), 2 * images - away, away).clamp(0, 1).to(images)
