"""From an image that fools a model back to the decision boundary."""

from collections.abc import Callable

import torch
from torch import Tensor

from sparsefront.attacks.parts.norms import Norm, perturbation_norm


def to_boundary(
    fooled_by: Callable[[Tensor], Tensor], images: Tensor, far: Tensor, norm: Norm, halvings: int
) -> Tensor:
    """Images (B, C, H, W) that fool, near the boundary between `images`, which do not, and `far`, which do.

    Bisection, `halvings` queries a sample: along the straight line or, for Linf, of the bound that `far - images` is
    clipped to.

    Args:
        fooled_by: (B, C, H, W) -> bool (B,), which of them fool.
        images: (B, C, H, W), the clean ones.
        far: (B, C, H, W).
        norm: in which the end is to be near.
        halvings: of the way.
    """
    delta = far - images
    column = (len(delta), 1, 1, 1)
    limits = perturbation_norm(delta, "Linf").view(column)
    low, high = (torch.full_like(limits, end) for end in (0.0, 1.0))
    best = far
    for _ in range(halvings):
        middle = (low + high) / 2
        moved = torch.minimum(torch.maximum(delta, -middle * limits), middle * limits)
        points = (images + (moved if norm == "Linf" else middle * delta)).clamp(0, 1)
        fallen = fooled_by(points).view(column)
        best = torch.where(fallen, points, best)
        high = torch.where(fallen, middle, high)
        low = torch.where(fallen, low, middle)
    return best
