"""Probabilities in the place of logits."""

import torch
from torch import Tensor

from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.outputs import sum_to_one


@torch.no_grad()
def outputs_sum_to_one(model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
    """Bool (B,): no output is negative and they sum to 1, as a softmax's do. 1 pass.

    Args:
        model: images -> outputs (B, K), as an adversary sees it.
        images: (B, C, H, W) in [0, 1].
        labels: (B,) int64, not looked at.
        indices: (B,) int64, not looked at.
    """
    return sum_to_one(model(images))
