"""The benign patch data set that paper 004 learns its dictionary from."""

from typing import Literal

import torch
from torch import Tensor

from sparsecode import cut_patches
from sparsefront.frontends.parts.non_local_means import non_local_means

Normalise = Literal["zscore", "patch_mean", "none"]

SMOOTHING_PATCH, SMOOTHING_WINDOW = 7, 21  # pixels, those of Buades et al. 2005
_LEAST_DEVIATION = 1e-4  # in pixel units, below the step of 8 bits: an entry that never changes stays 0


def deviation(variance: Tensor) -> Tensor:
    """What a z-score divides by."""
    return (variance + _LEAST_DEVIATION**2).sqrt()


def benign_patches(
    images: Tensor,
    patch_size: int,
    patches_per_image: int,
    h: float | None,
    normalise: Normalise,
    generator: torch.Generator,
) -> Tensor:
    """Random patches of each of (B, C, H, W) images, smoothed and normalised: D of equation 15.

    Args:
        images: (B, C, H, W).
        patch_size: side n of the square patches, in pixels.
        patches_per_image: of each image, places drawn alike.
        h: degree of filtering by non-local means (equation 16); None leaves images as they are.
        normalise: `zscore`: every entry of a patch by its mean and deviation over the image's patches (equation 17);
            `patch_mean`: a patch's own mean is taken off; or `none`.
        generator: on the CPU.

    Returns:
        (B * patches_per_image, C n n), an image's patches side by side.
    """
    images = images.to(torch.promote_types(images.dtype, torch.float32))
    if h is not None:
        images = non_local_means(images, SMOOTHING_PATCH, SMOOTHING_WINDOW, h)
    shape = (len(images), patches_per_image)
    corners = [torch.randint(side - patch_size + 1, shape, generator=generator) for side in images.shape[2:]]
    places = torch.stack([torch.arange(len(images))[:, None].expand(shape), *corners], dim=2)
    patches = cut_patches(images, places.flatten(0, 1).to(images.device), patch_size)
    if normalise == "patch_mean":
        return patches - patches.mean(dim=1, keepdim=True)
    if normalise == "none":
        return patches
    variance, mean = torch.var_mean(patches.unflatten(0, shape), dim=1, correction=0, keepdim=True)
    normalized: Tensor = ((patches.unflatten(0, shape) - mean) / deviation(variance)).flatten(0, 1)
    return normalized
