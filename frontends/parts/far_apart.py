"""Vectors that point in different directions."""

import torch
from torch import Tensor


def far_apart(candidates: Tensor, chosen: Tensor, max_correlation: float) -> Tensor:
    """Which of the unit vectors (M, m), taken in their order, are far from `chosen` (n, m) and from those taken before.

    Returns a mask (M,). The same as going one by one, in as many rounds as the longest chain of clashes has links.
    """
    clashes = ((candidates @ candidates.T).abs() > max_correlation).tril(-1)  # with those before
    waiting = ((candidates @ chosen.T).abs() <= max_correlation).all(dim=1)
    taken = torch.zeros_like(waiting)
    while waiting.any():
        now = waiting & ~(clashes & waiting).any(dim=1)
        taken |= now
        waiting &= ~now & ~(clashes & now).any(dim=1)
    return taken
