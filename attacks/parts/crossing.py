"""When an image counts as beyond the decision boundary."""

import torch
from torch import Tensor

from sparsefront.attacks.parts.candidates import Candidates
from sparsefront.attacks.parts.losses import Goal, margin

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


def with_ties(points: Tensor, logits: Tensor, goal: Goal) -> tuple[Candidates, Tensor]:
    """Points (S, C, H, W) as logits (S, K) judge them, and the differences (S,) between losses that rounding makes."""
    candidates = Candidates(points, goal.losses(logits).to(points.dtype), goal.reached(logits))
    return candidates, rounding(logits).to(points.dtype)
