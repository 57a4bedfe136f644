"""How steep the least squares of a layer can be."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode.operators import Convolution, Dense

_WIDEST_SPECTRUM = 64  # channels times squared stride up to which the engine's bound is cheap
_POWERS = 30
_LEAST = 1e-30  # of an atom that overlaps none of the others, which powers of the matrix would let vanish


def eigenvalue_bound(atoms: Tensor, shape: Sequence[int], stride: int, padding: tuple[int, int]) -> float:
    """Upper bound of the largest eigenvalue of D^T D, for filters (K, C, h, w) on (C, H, W) or atoms (K, m).

    Where filters have many channels, the engine's bound costs too much. Then: D^T D is a convolution of codes, whose
    matrix at any frequency is, entry by entry, at most the sum of its kernel's magnitudes. This is close where atoms
    are positive, as those of positive codes are.
    """
    if atoms.ndim == 2:
        return Dense(atoms.T).lipschitz()
    if atoms.shape[1] * stride**2 <= _WIDEST_SPECTRUM:
        return Convolution(atoms, (shape[1], shape[2]), stride, padding).lipschitz()
    reach = [(taps - 1) // stride * stride for taps in atoms.shape[2:]]
    kernel = F.conv2d(atoms, atoms, stride=stride, padding=reach).abs().sum(dim=(2, 3))
    vector = torch.ones_like(kernel[0])
    for _ in range(_POWERS):
        vector = (kernel @ vector / vector.norm()).clamp_min(_LEAST)
    # Of a matrix without negative entries no positive vector's largest ratio is below the largest eigenvalue.
    return float((kernel @ vector / vector).max()) * (1 + 1e-4)  # for rounding
