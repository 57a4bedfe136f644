"""Pictures that a set holds several times."""

import hashlib
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sparsefront.data.loading.chunks import in_chunks
from sparsefront.data.splits.sources import ImageSource


def without_repeats(source: ImageSource) -> Tensor:
    """Find the pictures that count: of those with equal pixels the first, and none where their labels differ.

    Args:
        source: N pictures.

    Returns:
        (M,) int64 positions, ascending.
    """
    digests = np.concatenate([found for _, found in in_chunks(partial(_digests, source), len(source), 0, "comparing")])
    _, first, groups = np.unique(digests, return_index=True, return_inverse=True)
    labels = source.labels.numpy()
    disputed = np.zeros(len(first), dtype=bool)
    disputed[groups[labels != labels[first[groups]]]] = True
    return torch.from_numpy(np.sort(first[~disputed]))


def _digests(source: ImageSource, numbers: Tensor) -> np.ndarray:
    """(B,) digests of the pixels: 32 bytes each, so that comparing takes no second copy of the pictures."""
    pixels = source.pixels(numbers).numpy()
    # as bytes of no type ("V"): a string type ("S") would drop zeros at the end
    return np.array([hashlib.sha256(picture.tobytes()).digest() for picture in pixels], dtype="V32")
