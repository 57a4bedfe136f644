"""Split of images into a smooth and a detailed part."""

import torch
from torch import Tensor

from sparsecode._named_kinds import named_kinds


@named_kinds
def tikhonov_split(images: Tensor, lmbda: float = 5.0, padding: int = 16) -> tuple[Tensor, Tensor]:
    """Split images into a low-pass and a high-pass part that sum to them.

    The low-pass part of an image y is the minimiser of 1/2 ||x - y||^2 + lmbda / 2 (||G_h x||^2 + ||G_v x||^2), where
    G_h and G_v are differences of neighbouring pixels, channel by channel. The image is mirrored beyond its borders
    (edge pixels repeated), solved as if it then went on at the opposite border, and cut back; this is what SPORCO's
    `tikhonov_filter` does, so that convolutional codes of the high-pass part can be compared. Differentiable.

    Args:
        images: (N, C, H, W), of any floating dtype and device.
        lmbda: smoothness of the low-pass part; 0 leaves nothing for the high-pass part.
        padding: pixels of the mirrored border.

    Returns:
        Low-pass and high-pass part, each (N, C, H, W).

    Raises:
        ValueError: images that are not (N, C, H, W) and floating, a negative `lmbda`, or a padding that is negative.
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            f"`images` must be floating point of shape (N, C, H, W), found {images.dtype} {tuple(images.shape)}."
        )
    if not 0 <= lmbda < float("inf") or padding < 0:
        raise ValueError(f"`lmbda` and `padding` must be at least 0 and finite, found {lmbda} and {padding}.")
    half = images.dtype in (torch.float16, torch.bfloat16)
    padded = _mirror(_mirror(images.float() if half else images, padding, -2), padding, -1)
    rows, columns = padded.shape[-2:]
    # |transfer function of [-1, 1]|^2 = 2 - 2 cos(frequency)
    across = 2 - 2 * torch.cos(2 * torch.pi * torch.fft.rfftfreq(columns, dtype=padded.dtype, device=padded.device))
    down = 2 - 2 * torch.cos(2 * torch.pi * torch.fft.fftfreq(rows, dtype=padded.dtype, device=padded.device))
    smooth = torch.fft.rfft2(padded) / (1 + lmbda * (down[:, None] + across))
    low = torch.fft.irfft2(smooth, s=(rows, columns))
    low = low[..., padding : rows - padding, padding : columns - padding].to(images.dtype)
    return low, images - low


def _mirror(images: Tensor, padding: int, dim: int) -> Tensor:
    """Repeat mirrored pixels, edge included, beyond both ends of one dimension, as often as `padding` asks."""
    size = images.shape[dim]
    places = torch.arange(-padding, size + padding, device=images.device) % (2 * size)
    return images.index_select(dim, torch.where(places < size, places, 2 * size - 1 - places))
