"""A gradient that points down."""

import torch
from torch import Tensor

from sparsefront.attacks.parts.differentiation import value_and_gradient
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.usable_gradient import with_usable_gradient
from sparsefront.attacks.signs.lead_of_runner_up import lead_of_runner_up

STEP = 2 / 255  # of each pixel


def gradient_points_down(model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
    """Bool (B,): the lead of the next class falls along its gradient's sign and rises against it. 4 passes.

    Args:
        model: images -> logits (B, K), as an adversary sees it.
        images: (B, C, H, W) in [0, 1].
        labels: (B,) int64.
        indices: (B,) int64, not looked at.
    """
    loss = lead_of_runner_up(model, images, labels)
    before, gradient = value_and_gradient(with_usable_gradient(model), images, loss, labels)
    here = loss(before)
    with torch.no_grad():
        along, against = (loss(model((images + step * gradient.sign()).clamp(0, 1))) for step in (STEP, -STEP))
    return (along < here) & (here < against)
