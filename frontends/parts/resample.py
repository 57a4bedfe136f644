"""Bilinear reading of images at places of one's own for each of them, all in one call."""

import torch
import torch.nn.functional as F
from torch import Tensor


def resample(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Read (B, C, H, W) images at the crossings of `rows` (B, K, h) and `columns` (B, K, w), in pixels.

    Returns (B * K, C, h, w), an image's K pictures side by side. Between pixels it interpolates linearly; places must
    lie from 0 to H - 1 and from 0 to W - 1. Works in float32 at least: half precision cannot name a pixel's place.
    """
    n_images, channels, height, width = images.shape
    copies, out_height, out_width = rows.shape[1], rows.shape[2], columns.shape[2]
    pixels = images if images.dtype == torch.float64 else images.float()
    # grid_sample measures an image from -1 to 1, here from its outer edges.
    down = (2 * rows.to(pixels.dtype) + 1) / height - 1
    across = (2 * columns.to(pixels.dtype) + 1) / width - 1
    grid = torch.stack(torch.broadcast_tensors(across[:, :, None, :], down[:, :, :, None]), dim=-1)
    # One tall picture an image, so that no image is copied K times.
    read = F.grid_sample(pixels, grid.flatten(1, 2), padding_mode="border", align_corners=False)
    read = read.view(n_images, channels, copies, out_height, out_width).transpose(1, 2)
    return read.flatten(0, 1).to(images.dtype)


def scaled_places(n_source: int | Tensor, n_target: int | Tensor, places: Tensor) -> Tensor:
    """Where the centre of target pixel `places` lies when `n_source` pixels are stretched to `n_target`, clipped."""
    centres = (places + 0.5) * n_source / n_target - 0.5
    return centres.clamp(min=0).minimum(torch.as_tensor(n_source - 1, device=places.device))


def whole_draws(shape: tuple[int, ...], bound: Tensor) -> Tensor:
    """Whole numbers of `shape`, uniform from 0 to `bound` inclusive, from torch's global random numbers."""
    share = torch.rand(shape, device=bound.device)
    return (share * (bound + 1)).floor().long().minimum(bound)  # rounding may reach bound + 1
