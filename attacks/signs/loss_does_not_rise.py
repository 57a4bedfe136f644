"""A loss that does not rise along its gradient."""

import torch
from torch import Tensor

from sparsefront.attacks.parts.losses import margin
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.usable_gradient import with_usable_gradient
from sparsefront.attacks.pgd import PGD

CLIMB = PGD(eps="8/255", steps=20, step_size="1/255", random_start=False)


def loss_does_not_rise(model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
    """Bool (B,): the margin is no higher after 20 steps up the gradient than before them. 23 passes.

    Args:
        model: images -> logits (B, K), as an adversary sees it.
        images: (B, C, H, W) in [0, 1].
        labels: (B,) int64.
        indices: (B,) int64, the samples' numbers.
    """
    climbed = CLIMB(with_usable_gradient(model), images, labels, indices)
    with torch.no_grad():
        return margin(model(climbed), labels) <= margin(model(images), labels)
