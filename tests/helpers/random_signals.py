"""Signals and a dictionary without structure, for the tests of coders."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def random_signals(n: int = 5, m: int = 8, k: int = 20, seed: int = 0, dtype=torch.float64) -> tuple[Tensor, Tensor]:
    """Signals (n, m) and unit-norm atoms (m, k) of a seed."""
    generator = torch.Generator().manual_seed(seed)
    dictionary = normalize(torch.randn(m, k, generator=generator, dtype=dtype), dim=0)
    return torch.randn(n, m, generator=generator, dtype=dtype), dictionary
