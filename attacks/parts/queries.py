"""Asking a model for its answers only."""

import torch
from torch import Tensor

from sparsefront.attacks.base import Model, checked_logits
from sparsefront.attacks.parts.losses import fooled


def in_chunks(model: Model, size: int = 1024) -> Model:
    """A model that is asked about `size` images at a time, however many it is given: bounds memory, not the result."""
    return lambda images: torch.cat([model(part) for part in images.split(size)])


@torch.no_grad()
def answers(model: Model, images: Tensor, labels: Tensor) -> Tensor:
    """Logits (B, K) of images (B, C, H, W) whose labels are (B,)."""
    return checked_logits(in_chunks(model)(images), labels)


def fools(model: Model, images: Tensor, labels: Tensor, targeted: bool) -> Tensor:
    """Bool (B,): the model gives the target, or another label."""
    return fooled(answers(model, images, labels), labels, targeted)
