"""What a model gives out: logits, or something that is none."""

import torch
from torch import Tensor

TOLERANCE = 1e-3  # half precision adds up to 1 no better


def sum_to_one(outputs: Tensor) -> Tensor:
    """(B, K) -> bool (B,): none is negative and they sum to 1, as probabilities do."""
    sums = outputs.detach().to(torch.promote_types(outputs.dtype, torch.float32)).sum(dim=1)
    return (outputs.detach() >= 0).all(dim=1) & ((sums - 1).abs() <= TOLERANCE)
