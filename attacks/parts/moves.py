"""Points a little away from others, where a model may answer otherwise."""

import torch
from torch import Tensor


def moved_in_three_ways(points: Tensor, images: Tensor, radius: float) -> Tensor:
    """Points within `radius` of (B, C, H, W) in Linf: by blocks, by pixels, or towards other images (N, C, H, W).

    A third each, drawn from torch's global random numbers.
    """
    count = len(points)
    blocks, pixels = (radius * signs_in_blocks(points, side) for side in (None, 1))
    others = images[torch.randint(len(images), (count,)).to(images.device)]
    towards = (others - points).clamp(-radius, radius)
    third = (torch.arange(count, device=points.device) % 3)[:, None, None, None]
    return (points + torch.where(third == 0, blocks, torch.where(third == 1, pixels, towards))).clamp(0, 1)


def signs_in_blocks(images: Tensor, side: int | None) -> Tensor:
    """1 or -1 for each block of pixels of this side, of one from 1 to the image's if None: (B, C, H, W)."""
    count, channels, height, width = images.shape
    side = int(min(height, width) ** torch.rand(()).item()) if side is None else side
    blocks = torch.randint(2, (count, channels, -(-height // side), -(-width // side))).to(images) * 2 - 1
    return blocks.repeat_interleave(side, dim=2).repeat_interleave(side, dim=3)[:, :, :height, :width]
