"""How much each class counts in the loss."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def class_weights_of(weights: Sequence[float] | None, num_classes: int) -> Tensor | None:
    """The weights (K,) in torch's default precision; None for equal ones.

    Args:
        weights: one number a class.
        num_classes: K.

    Raises:
        ValueError: other than K positive finite numbers.
    """
    if weights is None:
        return None
    if len(weights) != num_classes or not all(0 < weight < math.inf for weight in weights):
        raise ValueError(
            f"`class_weights` must have a positive number for each of {num_classes} classes, found "
            f"{list(weights)}; write null for equal ones."
        )
    return torch.tensor(weights, dtype=torch.get_default_dtype())


def weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """The mean over images of w_y (-log p_y), p = softmax(logits).

    It is not divided by the weights of the batch, which would let a rare class count for less where it occurs.

    Args:
        logits: (B, K).
        labels: (B,), y.
        weights: (K,), w; None: 1 for all.
    """
    if weights is None:
        return nn.functional.cross_entropy(logits, labels)
    return nn.functional.cross_entropy(logits, labels, weights, reduction="sum") / len(labels)
