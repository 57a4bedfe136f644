"""When an image counts as beyond the decision boundary."""

import torch
from torch import Tensor

from sparsefront.attacks.parts.losses import margin

RESOLUTION = 64  # roundings: differences of logits below say nothing


def lead_of(logits: Tensor, labels: Tensor, targeted: bool = False) -> Tensor:
    """How far the logits (B, K) are beyond the decision boundary, from the label or into the target: (B,).

    What rounding may change is taken off: smallest perturbations end at the boundary, where another batch size or a
    folded copy of the model would otherwise contradict.
    """
    lead = margin(logits, labels)
    return (-lead if targeted else lead) - rounding(logits)


def rounding(logits: Tensor) -> Tensor:
    """A difference between logits (B, K) that says nothing: (B,)."""
    return RESOLUTION * torch.finfo(logits.dtype).eps * logits.abs().amax(dim=1)
