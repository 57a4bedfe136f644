"""The overcomplete cosine dictionary."""

import math

import torch
from torch import Tensor

from sparsecode._named_kinds import named_kinds


@named_kinds
def overcomplete_dct(n_atoms: int, channels: int, patch_size: int) -> Tensor:
    """Separable cosines on a patch, more frequencies than pixels, times orthonormal mixtures of the channels.

    With n = `patch_size` and p frequencies a side, c_k(i) = cos(pi k (i + 1/2) / p) for i < n, k < p, its mean removed
    for k > 0, as in the starting dictionary of Elad and Aharon (2006). Atoms are ordered from low to high frequency and
    have unit norm.

    Args:
        n_atoms: number of atoms L.
        channels: C of the images.
        patch_size: side n of a patch, in pixels.

    Returns:
        (C n n, L) dictionary.
    """
    side = max(math.ceil(math.sqrt(n_atoms / channels)), patch_size)
    waves = _cosines(patch_size, side)
    colours = _cosines(channels, channels)
    atoms = torch.einsum("ck,hi,wj->chwijk", colours, waves, waves).flatten(0, 2)
    frequency = (torch.arange(side)[:, None] ** 2 + torch.arange(side) ** 2)[:, :, None].expand(side, side, channels)
    order = frequency.flatten().sort(stable=True).indices[:n_atoms]
    return torch.nn.functional.normalize(atoms.flatten(1)[:, order], dim=0)


def _cosines(length: int, frequencies: int) -> Tensor:
    place = torch.arange(length) + 0.5
    waves = torch.cos(torch.pi * place[:, None] * torch.arange(frequencies) / frequencies)
    if length > 1:
        waves[:, 1:] -= waves[:, 1:].mean(dim=0)
    return waves
