"""Patches at random places, blank ones too."""

import torch
from torch import Tensor


def random_patches(images: Tensor, patch_size: int, number: int, generator: torch.Generator) -> Tensor:
    """Draw patches (`number`, C n n) at random places of (B, C, H, W) images, blank ones too.

    A database that left blank patches out (as `sample_patches` does) could not show a blank background.
    """
    windows = images.unfold(2, patch_size, 1).unfold(3, patch_size, 1)  # a view (B, C, rows, columns, n, n)
    sizes = (windows.shape[0], windows.shape[2], windows.shape[3])
    image, row, column = (torch.randint(size, (number,), generator=generator).to(images.device) for size in sizes)
    return windows[image, :, row, column].flatten(1)
