"""Soft thresholding of Haar wavelets (Chang, Yu and Vetterli 2000, BayesShrink)."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_RED, _BLUE = 0.299, 0.114  # shares of the luma, ITU-R BT.601
_GREEN = 1 - _RED - _BLUE


def denoise_wavelet(images: Tensor, sigma: float) -> Tensor:
    """Shrink the wavelet details of each image; of color images those of luma and chroma.

    Each band of details d of a channel is soft-thresholded at t = s^2 / sqrt(mean(d^2) - s^2), or wholly removed where
    mean(d^2) <= s^2. s is `sigma`; of color images, `sigma` times the range of luma or chroma in the image. There are
    floor(log2(min(H, W))) - 3 levels, at least one. These are the settings that scikit-image's `denoise_wavelet` had in
    2018, where each channel of YCbCr, but no other, was scaled to [0, 1].

    Args:
        images: (B, C, H, W), any sizes; C = 3 is read as red, green, blue.
        sigma: standard deviation of the noise, in the images' unit; C = 3: as a share of a channel's range.

    Returns:
        (B, C, H, W), not clipped.
    """
    levels = max(int(math.log2(min(images.shape[2:]))) - 3, 1)
    if images.shape[1] != 3:
        return _shrink(images, images.new_ones(1), sigma, levels)
    channels = rgb_to_ycbcr(images)
    ranges = channels.amax(dim=(2, 3)) - channels.amin(dim=(2, 3))
    # A constant channel has no details; the floor keeps its derivative finite.
    return ycbcr_to_rgb(_shrink(channels, ranges.clamp_min(1e-6)[:, :, None, None, None], sigma, levels))


def rgb_to_ycbcr(images: Tensor) -> Tensor:
    """Luma in [0, 1] and chroma in [-1/2, 1/2] of (B, 3, H, W) images."""
    red, green, blue = images.unbind(dim=1)
    luma = _RED * red + _GREEN * green + _BLUE * blue
    return torch.stack([luma, (blue - luma) / (2 - 2 * _BLUE), (red - luma) / (2 - 2 * _RED)], dim=1)


def ycbcr_to_rgb(channels: Tensor) -> Tensor:
    """The inverse of `rgb_to_ycbcr`."""
    luma, blue, red = channels.unbind(dim=1)
    blue, red = luma + (2 - 2 * _BLUE) * blue, luma + (2 - 2 * _RED) * red
    return torch.stack([red, (luma - _RED * red - _BLUE * blue) / _GREEN, blue], dim=1)


def haar(images: Tensor) -> tuple[Tensor, Tensor]:
    """Split (B, C, H, W) into means (B, C, h, w) and details (B, C, 3, h, w), h = ceil(H / 2), orthonormally.

    An odd last row or column is paired with itself.
    """
    height, width = images.shape[2:]
    even = F.pad(images, (0, width % 2, 0, height % 2), mode="replicate") if height % 2 or width % 2 else images
    a, b, c, d = even[..., ::2, ::2], even[..., ::2, 1::2], even[..., 1::2, ::2], even[..., 1::2, 1::2]
    details = torch.stack([a - b + c - d, a + b - c - d, a - b - c + d], dim=2)
    return 0.5 * (a + b + c + d), 0.5 * details


def inverse_haar(means: Tensor, details: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `haar` for images of that height and width."""
    x, y, z = details.unbind(dim=2)
    top = torch.stack([means + x + y + z, means - x + y - z], dim=-1).flatten(-2)
    bottom = torch.stack([means + x - y - z, means - x - y + z], dim=-1).flatten(-2)
    return 0.5 * torch.stack([top, bottom], dim=-2).flatten(-3, -2)[..., :height, :width]


def _shrink(images: Tensor, ranges: Tensor, sigma: float, levels: int) -> Tensor:
    smallest = torch.finfo(images.dtype).eps
    sizes, bands = [], []
    means = images
    for _ in range(levels):
        sizes.append(means.shape[2:])
        means, details = haar(means)
        excess = details.square().mean(dim=(3, 4), keepdim=True) - (sigma * ranges).square()
        threshold = (sigma * ranges).square() / torch.maximum(excess, smallest * ranges.square()).sqrt()
        bands.append(details.sign() * (details.abs() - threshold).relu())
    for (height, width), details in zip(reversed(sizes), reversed(bands), strict=True):
        means = inverse_haar(means, details, height, width)
    return means
