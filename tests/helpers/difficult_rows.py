"""Rows of numbers that projections and steps find difficult."""

import torch
from hypothesis import strategies as st

# Zeros, ties and magnitudes far apart.
_values = st.sampled_from([0.0, 1.0, -1.0, 0.3, -0.3, 1e-9, -1e6]) | st.floats(-2, 2)
rows = st.lists(st.lists(_values, min_size=6, max_size=6), min_size=1, max_size=4)


def images_like(rows):
    """Rows of six numbers as images (B, 1, 2, 3) in double precision."""
    return torch.tensor(rows, dtype=torch.float64).view(-1, 1, 2, 3)


def inner(a, b):
    """The inner product of each pair of images: (B, C, H, W) twice -> (B,)."""
    return (a * b).flatten(1).sum(dim=1)
