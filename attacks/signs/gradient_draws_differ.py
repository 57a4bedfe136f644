"""Gradients that change from call to call."""

import torch
from torch import Tensor

from sparsefront.attacks.parts.differentiation import value_and_gradient
from sparsefront.attacks.parts.losses import margin
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.usable_gradient import with_usable_gradient

N_DRAWS = 5
MOST = 1e-2  # beyond what other orders of summation explain


def gradient_draws_differ(model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
    """Bool (B,): the margin's gradients in several calls on one image differ, whether or not its value does. 5 passes.

    So they do where chance decides which part of a model has a derivative.

    Args:
        model: images -> logits (B, K), as an adversary sees it.
        images: (B, C, H, W) in [0, 1].
        labels: (B,) int64.
        indices: (B,) int64, not looked at.
    """
    usable = with_usable_gradient(model)
    draws = [
        value_and_gradient(usable, images, lambda logits: margin(logits, labels), labels)[1].flatten(1).double()
        for _ in range(N_DRAWS)
    ]
    largest = torch.stack([draw.abs().amax(dim=1) for draw in draws]).amax(dim=0)
    distances = torch.stack([(draw - draws[0]).abs().amax(dim=1) for draw in draws[1:]]).amax(dim=0)
    return distances > MOST * largest
