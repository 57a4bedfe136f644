"""Patches at given places of a batch of images: cut out, and pasted back."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparsecode._named_kinds import named_kinds


@named_kinds
def cut_patches(images: Tensor, places: Tensor, patch_size: int) -> Tensor:
    """The patches (N, C n n) of (B, C, H, W) images at (N, 3) `places`; differentiable."""
    patches: Tensor = _Cut.apply(images, places, patch_size)
    return patches


def paste_patches(patches: Tensor, places: Tensor, size: torch.Size) -> Tensor:
    """Images of (B, C, H, W) `size`: the sums of all patches (N, C n n) that lie on a pixel; differentiable."""
    images: Tensor = _Paste.apply(patches, places, size)
    return images


class _Cut(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, places: Tensor, patch_size: int) -> Tensor:
        ctx.save_for_backward(places)
        ctx.size = images.shape
        return _cut(images, places, patch_size)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return _paste(grad, places, ctx.size), None, None


class _Paste(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, patches: Tensor, places: Tensor, size: torch.Size) -> Tensor:
        ctx.save_for_backward(places)
        ctx.patch_size = _side(patches, size)
        return _paste(patches, places, size)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return _cut(grad, places, ctx.patch_size), None, None


def _side(patches: Tensor, size: torch.Size) -> int:
    return round(math.sqrt(patches.shape[1] / size[1]))


def _cut(images: Tensor, places: Tensor, patch_size: int) -> Tensor:
    windows = images.unfold(2, patch_size, 1).unfold(3, patch_size, 1)  # a view
    image, row, column = places.unbind(dim=1)
    return windows[image, :, row, column].flatten(1)


def _paste(patches: Tensor, places: Tensor, size: torch.Size) -> Tensor:
    """Entry by entry of a patch, no two of which meet in one pixel: nothing is left to the order of addition."""
    batch, channels, height, width = size
    side = _side(patches, size)
    image, row, column = places.unbind(dim=1)
    first = (image * height + row) * width + column
    sums = patches.new_zeros(channels, batch * height * width)
    pixels = patches.unflatten(1, (channels, side * side))
    for place in range(side * side):
        where = (first + place // side * width + place % side).expand(channels, -1)
        sums.scatter_add_(1, where, pixels[:, :, place].T)
    images: Tensor = sums.unflatten(1, (batch, height, width)).transpose(0, 1)
    return images
