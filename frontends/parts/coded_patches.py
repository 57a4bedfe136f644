"""Chosen patches of images, restored from their sparse codes."""

from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode import PatchGrid, cut_patches, omp, paste_patches
from sparsefront.common.bounded_memory import map_runs, split_by_memory
from sparsefront.frontends.parts.benign_patches import Normalise, deviation
from sparsefront.frontends.parts.zero_tiny_patches import zero_tiny_patches

_MAX_BYTES = 2**28  # of working memory while patches are coded


def coded_patches(
    images: Tensor,
    grid: PatchGrid,
    chosen: Tensor,
    dictionary: Tensor,
    n_nonzero_coefs: int,
    normalise: Normalise,
) -> Tensor:
    """The sums of all chosen patches, each restored from its code where it was: c of paper 004's equation 19.

    Differentiable in the images, with each patch's choice of atoms held.

    Args:
        images: (B, C, H, W), of single precision at least.
        grid: of their patches.
        chosen: the patches that are coded, bool (B, rows, columns).
        dictionary: (C n n, L).
        n_nonzero_coefs: atoms in a patch, for OMP.
        normalise: what is coded of a patch, see `benign_patches`; it is undone afterwards.

    Returns:
        (B, C, H, W), 0 where no chosen patch is.
    """
    places = grid.places(chosen)
    base, scale = _normalisation(images, grid, normalise)
    length, n_atoms = dictionary.shape
    runs = split_by_memory(places, images.element_size() * (4 * length + 3 * n_atoms), _MAX_BYTES)
    restore = partial(
        _restore,
        dictionary=dictionary,
        patch_size=grid.patch_size,
        n_nonzero_coefs=n_nonzero_coefs,
        normalise=normalise,
    )
    first, *rest = map_runs(restore, runs, images, base, scale)
    return sum(rest, first)


def _normalisation(images: Tensor, grid: PatchGrid, normalise: Normalise) -> tuple[Tensor, Tensor]:
    """What is taken off an image's patches and what they are divided by, two (B, m), where that is the image's."""
    if normalise != "zscore":
        return images.new_zeros(len(images), 1), images.new_ones(len(images), 1)
    mean, variance = grid.moments(images)
    return mean, deviation(variance)


def _restore(
    places: Tensor,
    images: Tensor,
    base: Tensor,
    scale: Tensor,
    *,
    dictionary: Tensor,
    patch_size: int,
    n_nonzero_coefs: int,
    normalise: Normalise,
) -> Tensor:
    """The sums (B, C, H, W) of the patches at some places (N, 3)."""
    patches, image = cut_patches(images, places, patch_size), places[:, 0]
    offset = patches.mean(dim=1, keepdim=True) if normalise == "patch_mean" else base[image]
    atoms = F.normalize(dictionary.to(images.dtype), dim=0)  # a half-precision copy is not quite of unit norm
    signals = zero_tiny_patches((patches - offset) / scale[image])
    wants_gradient = signals.requires_grad and torch.is_grad_enabled()
    gradient: Literal["implicit", "none"] = "implicit" if wants_gradient else "none"
    codes = omp(signals, atoms, n_nonzero_coefs, gradient=gradient, max_bytes=_MAX_BYTES).codes
    return paste_patches(offset + scale[image] * (codes @ atoms.T), places, images.shape)
