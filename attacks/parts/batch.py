"""The images and labels that an attack is given."""

import torch
from torch import Tensor

from sparsecode.checks import check_tensors


def check_batch(images: Tensor, labels: Tensor) -> None:
    """Raise a ValueError unless images are (B, C, H, W) pixels in [0, 1] and labels (B,) integers."""
    check_tensors(images=images, labels=labels)
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(f"`images` must be floating (B, C, H, W), found {images.dtype} {tuple(images.shape)}.")
    check_integers(labels, "labels", len(images))
    _check_pixels("images", images)


def check_starts(starts: Tensor, images: Tensor) -> None:
    """Raise a ValueError unless starts are pixels in [0, 1], as many and of the same dtype as images (B, C, H, W)."""
    check_tensors(starts=starts)
    if starts.shape != images.shape or starts.dtype != images.dtype:
        raise ValueError(
            f"`starts` must be {images.dtype} {tuple(images.shape)}, as the images are, "
            f"found {starts.dtype} {tuple(starts.shape)}; give a sample without any its own image."
        )
    _check_pixels("starts", starts)


def _check_pixels(name: str, images: Tensor) -> None:
    if not images.numel():
        return
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):  # also catches NaN
        raise ValueError(
            f"`{name}` must be finite pixels in [0, 1], found [{low:.4g}, {high:.4g}]; "
            "scale them and leave normalisation to the model."
        )


def check_integers(numbers: Tensor, name: str, count: int) -> None:
    """Raise a ValueError unless `numbers` are int64 (count,), a TypeError unless they are a tensor."""
    check_tensors(**{name: numbers})
    if numbers.shape != (count,) or numbers.dtype != torch.int64:
        raise ValueError(f"`{name}` must be int64 ({count},), found {numbers.dtype} {tuple(numbers.shape)}.")


def in_precision(images: Tensor) -> Tensor:
    """A copy of images in the precision that attacks compute in: single at least."""
    return images.detach().to(torch.promote_types(images.dtype, torch.float32), copy=True)
