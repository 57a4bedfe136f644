"""Answers that change from call to call."""

import torch
from torch import Tensor

from sparsefront.attacks.parts.model import Model

MOST = 1e-4  # beyond what other orders of summation explain


def draws_differ(model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
    """Bool (B,): two forwards of one image differ. 2 passes.

    Args:
        model: images -> logits (B, K), as an adversary sees it.
        images: (B, C, H, W) in [0, 1].
        labels: (B,) int64, not looked at.
        indices: (B,) int64, not looked at.
    """
    return apart(model, images) > MOST


@torch.no_grad()
def apart(model: Model, images: Tensor) -> Tensor:
    """(B,): the largest difference between two forwards of an image, beside 1 or, if that is larger, the logit."""
    return relative_difference(model(images), model(images))


def relative_difference(first: Tensor, second: Tensor) -> Tensor:
    """(B,): the largest between logits (B, K), beside 1 or, if that is larger, the logit."""
    return ((first - second).abs() / (1 + first.abs())).amax(dim=1)
