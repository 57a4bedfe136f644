"""Overlapping patches of images."""

from torch import Tensor
from torch.nn import functional as F


def extract_patches(images: Tensor, patch_size: int, stride: int) -> Tensor:
    """Cut (B, C, H, W) images into patches (B, P, C n n), n = `patch_size`.

    P = (floor((H - n) / S) + 1) (floor((W - n) / S) + 1) with S = `stride`, row by row; pixels that no whole patch
    reaches at the lower and right border are left out. A patch's entries go channel by channel, then row by row.

    Raises:
        ValueError: images that are not (B, C, H, W), a patch larger than the image, or a size or stride below 1.
    """
    if images.ndim != 4:
        raise ValueError(f"`images` must have shape (B, C, H, W), found {tuple(images.shape)}.")
    if patch_size < 1 or stride < 1:
        raise ValueError(f"`patch_size` and `stride` must be at least 1, found {patch_size} and {stride}.")
    if patch_size > min(images.shape[-2:]):
        raise ValueError(
            f"`patch_size` must not exceed the images' {tuple(images.shape[-2:])} pixels, found {patch_size}; "
            "choose smaller patches or larger images."
        )
    return F.unfold(images, patch_size, stride=stride).mT
