"""Overlapping patches of images, and images of overlapping patches."""

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode._named_kinds import named_kinds


@named_kinds
def extract_patches(images: Tensor, patch_size: int, stride: int, *, cover: bool = False) -> Tensor:
    """Cut (B, C, H, W) images into patches (B, P, C n n), n = `patch_size`.

    P = (floor((H - n) / S) + 1) (floor((W - n) / S) + 1) with S = `stride`, row by row; pixels that no whole patch
    reaches at the lower and right border are left out. A patch's entries go channel by channel, then row by row.

    Args:
        images: (B, C, H, W).
        patch_size: side n of the square patches, in pixels.
        stride: S, pixels from one patch to the next.
        cover: where pixels would be left out, one more row or column of patches lies flush with the border, nearer to
            its neighbour than S: P = (ceil((H - n) / S) + 1) (ceil((W - n) / S) + 1).

    Raises:
        ValueError: images that are not (B, C, H, W), a patch larger than the image, or a size or stride below 1.
    """
    check_patches(images, patch_size, stride)
    height, width = images.shape[2:]
    across = _runs(width, patch_size, stride, cover)
    rows = [
        _join([_unfold(images[:, :, top:bottom, left:right], patch_size, stride) for left, right in across], dim=2)
        for top, bottom in _runs(height, patch_size, stride, cover)
    ]
    return _join(rows, dim=1).flatten(1, 2)


@named_kinds
def average_patches(patches: Tensor, image_size: tuple[int, int], patch_size: int, stride: int) -> Tensor:
    """Rebuild images from overlapping patches: every pixel is the mean of all patches that hold it.

    The inverse of `extract_patches(..., cover=True)` wherever patches agree, and the least-squares image where they do
    not. Differentiable.

    Args:
        patches: (B, P, C n n), those that `extract_patches(..., cover=True)` cuts, or patches in their places.
        image_size: H, W of the images.
        patch_size: side n of the square patches, in pixels.
        stride: S, pixels from one patch to the next, at most n so that no pixel is left between them.

    Returns:
        (B, C, H, W).

    Raises:
        ValueError: a pixel that no patch covers, or a number or length of patches that does not fit the image.
    """
    height, width = image_size
    _check(height, width, patch_size, stride)
    if stride > patch_size:
        raise ValueError(
            f"`stride` must be at most `patch_size` = {patch_size}, found {stride}; pixels between patches are unknown."
        )
    n_rows, n_columns = (-(-(side - patch_size) // stride) + 1 for side in (height, width))
    area = patch_size**2
    if patches.ndim != 3 or patches.shape[1] != n_rows * n_columns or not patches.shape[2] or patches.shape[2] % area:
        raise ValueError(
            f"`patches` must have shape (B, {n_rows * n_columns}, C * {area}) to cover {height} x {width} pixels, "
            f"found {tuple(patches.shape)}; cut them with `cover=True`, which reaches the lower and right border."
        )
    exact = patches.to(torch.promote_types(patches.dtype, torch.float32))
    ones = exact.new_ones(1, exact.shape[1], area)
    sums, counts = (
        _overlap(cut.unflatten(1, (n_rows, n_columns)), height, width, patch_size, stride) for cut in (exact, ones)
    )
    return (sums / counts).to(patches.dtype)


def check_patches(images: Tensor, patch_size: int, stride: int) -> None:
    """Images (B, C, H, W) from which patches of that size can be cut."""
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            f"`images` must be floating point of shape (B, C, H, W), found {images.dtype} {tuple(images.shape)}."
        )
    _check(images.shape[2], images.shape[3], patch_size, stride)


def _check(height: int, width: int, patch_size: int, stride: int) -> None:
    if patch_size < 1 or stride < 1:
        raise ValueError(f"`patch_size` and `stride` must be at least 1, found {patch_size} and {stride}.")
    if patch_size > min(height, width):
        raise ValueError(
            f"`patch_size` must not exceed the images' {(height, width)} pixels, found {patch_size}; "
            "choose smaller patches or larger images."
        )


def _runs(side: int, patch_size: int, stride: int, cover: bool) -> list[tuple[int, int]]:
    """First and last pixel, excluded, of the patches on the grid, and of those flush with the border off it."""
    end = (side - patch_size) // stride * stride + patch_size
    return [(0, end), (side - patch_size, side)] if cover and end < side else [(0, end)]


def _unfold(images: Tensor, patch_size: int, stride: int) -> Tensor:
    """(B, C, H, W) -> (B, rows, columns, C n n)."""
    columns = (images.shape[3] - patch_size) // stride + 1
    patches: Tensor = F.unfold(images, patch_size, stride=stride).mT.unflatten(1, (-1, columns))
    return patches


def _join(parts: list[Tensor], dim: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=dim)  # cat copies even a single part


def _overlap(cut: Tensor, height: int, width: int, patch_size: int, stride: int) -> Tensor:
    """Add (B, rows, columns, C n n) patches up where they lie in (B, C, H, W) images."""
    images = cut.new_zeros(len(cut), cut.shape[3] // patch_size**2, height, width)
    row = 0
    for top, bottom in _runs(height, patch_size, stride, cover=True):
        n_rows, column = (bottom - top - patch_size) // stride + 1, 0
        for left, right in _runs(width, patch_size, stride, cover=True):
            n_columns = (right - left - patch_size) // stride + 1
            here = cut[:, row : row + n_rows, column : column + n_columns].flatten(1, 2).mT
            size = (bottom - top, right - left)
            images[:, :, top:bottom, left:right] += F.fold(here, size, patch_size, stride=stride)
            column += n_columns
        row += n_rows
    return images
