"""Random patches of a batch of images."""

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode._named_kinds import named_kinds
from sparsecode.patches import check_patches

# Sum of squares, a pixel being in [0, 1], up to which a patch is empty: half a gray level in a 4x4 patch is 6e-5.
_EMPTY = 1e-8


@named_kinds
def sample_patches(images: Tensor, patch_size: int, stride: int, number: int, generator: torch.Generator) -> Tensor:
    """Draw patches that are not empty from (B, C, H, W) images, each at most once, in random order.

    The patches are those that `extract_patches` would cut; only the ones drawn are ever in memory. A patch whose
    entries are all (nearly) zero teaches a dictionary nothing and is not drawn.

    Args:
        images: (B, C, H, W).
        patch_size: side n of the square patches, in pixels.
        stride: pixels from one patch to the next.
        number: of patches.
        generator: on the CPU; the same one draws the same patches on any device.

    Returns:
        (min(`number`, patches that are not empty), C n n).

    Raises:
        ValueError: as `extract_patches` does, or a negative number.
    """
    check_patches(images, patch_size, stride)
    if number < 0:
        raise ValueError(f"`number` must be at least 0, found {number}.")
    energies = F.avg_pool2d(images.square().sum(dim=1), patch_size, stride) * patch_size**2
    places = (energies > _EMPTY).nonzero()
    drawn = torch.randperm(len(places), generator=generator)[:number].to(images.device)
    windows = images.unfold(2, patch_size, stride).unfold(3, patch_size, stride)  # a view
    image, row, column = places[drawn].unbind(dim=1)
    return windows[image, :, row, column].flatten(1)
