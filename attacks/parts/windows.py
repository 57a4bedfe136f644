"""Windows of images, each image with its own."""

import torch
from torch import Tensor

from sparsefront.attacks.parts.norms import Norm


def random_places(vertical: Tensor, horizontal: Tensor, side: int, images: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns (B, side) of squares at random places, from uniform draws (B,)."""
    height, width = images.shape[2:]
    offsets = torch.arange(side, device=images.device)
    rows = (vertical * (height - side + 1)).long()[:, None] + offsets
    columns = (horizontal * (width - side + 1)).long()[:, None] + offsets
    return rows, columns


def square_mask(rows: Tensor, columns: Tensor, images: Tensor) -> Tensor:
    """Bool (B, 1, H, W), true in the squares of these rows and columns (B, side)."""
    height, width = images.shape[2:]
    down = torch.arange(height, device=images.device)
    across = torch.arange(width, device=images.device)
    tall = (down >= rows[:, :1]) & (down <= rows[:, -1:])
    wide = (across >= columns[:, :1]) & (across <= columns[:, -1:])
    return (tall[:, :, None] & wide[:, None, :])[:, None]


def rectangle_mask(windows: Tensor, images: Tensor) -> Tensor:
    """Bool (B, 1, H, W), true in the rectangles (B, 4) of such top, left, height and width."""
    height, width = images.shape[2:]
    top, left, tall, wide = windows.T[..., None]
    down = torch.arange(height, device=images.device)
    across = torch.arange(width, device=images.device)
    rows = (down >= top) & (down < top + tall)
    columns = (across >= left) & (across < left + wide)
    inside: Tensor = rows[:, :, None] & columns[:, None, :]
    return inside[:, None]


def cut_windows(delta: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Cut (B, C, side, side) out of (B, C, H, W)."""
    batch = torch.arange(len(delta), device=delta.device)[:, None, None, None]
    channel = torch.arange(delta.shape[1], device=delta.device)[None, :, None, None]
    return delta[batch, channel, rows[:, None, :, None], columns[:, None, None, :]]


def unit_windows(windows: Tensor, order: int) -> Tensor:
    """Windows (B, C, s, s) at length 1 in each channel; empty ones stay empty."""
    unit: Tensor = windows / windows.flatten(2).norm(order, dim=2).clamp_min(1e-12)[..., None, None]
    return unit


def window_shape(side: int, norm: Norm, like: Tensor) -> Tensor:
    """The shape (side, side) of a change: two halves of opposite sign, each peaked in its middle, at length 1."""
    upper, lower = _pyramid(side // 2, side, norm, like), _pyramid(side - side // 2, side, norm, like)
    both = torch.cat([upper, -lower])
    unit: Tensor = both / both.norm(2 if norm == "L2" else 1)
    return unit


def _pyramid(height: int, width: int, norm: Norm, like: Tensor) -> Tensor:
    """A pyramid (height, width): the sum of 1 / k^2 (L2; 1 / k^4 for L1) over growing squares around its middle."""
    power = 2 if norm == "L2" else 4
    down = (torch.arange(height, device=like.device) - height // 2).abs()
    across = (torch.arange(width, device=like.device) - width // 2).abs()
    ring = torch.maximum(down[:, None], across[None, :])
    levels = torch.arange(1, max(height // 2, width // 2) + 2, dtype=like.dtype, device=like.device) ** -power
    heights = levels.flip(0).cumsum(0).flip(0)[ring]
    return heights / heights.norm(2 if norm == "L2" else 1) if height else heights
