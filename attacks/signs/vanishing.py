"""Gradients that vanish beside what they should be."""

import torch
from torch import Tensor

from sparsefront.attacks.parts.differentiation import value_and_gradient
from sparsefront.attacks.parts.losses import cross_entropy, margin
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.usable_gradient import with_usable_gradient
from sparsefront.attacks.signs.moved import moved

# A gradient of cross entropy this small beside the margin's has a square below float32's numbers: softmax has taken it.
SATURATED = 1e-20
# A margin that moves a million times as far as its gradient allows has a gradient that was taken away.
FLAT = 1e-6
MOVE = 8 / 255  # of each pixel, up or down, to see that


def vanishing(model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
    """Bool (B,): the gradient is zero or nearly so where it should not be.

    Either cross entropy's is below `SATURATED` of the margin's (softmax is 1 and 0), or the margin changes between an
    image and one `MOVE` away by a million times sum |gradient| |difference|, which bounds the change to first order
    (the value moves, its derivative was taken away). 3 passes.

    Args:
        model: images -> logits (B, K), as an adversary sees it.
        images: (B, C, H, W) in [0, 1].
        labels: (B,) int64.
        indices: (B,) int64, the samples' numbers: random moves depend on them alone.
    """
    usable = with_usable_gradient(model)
    _, gradient = value_and_gradient(usable, images, lambda logits: cross_entropy(logits, labels), labels)
    before, slope = value_and_gradient(usable, images, lambda logits: margin(logits, labels), labels)
    away = moved(images, indices, MOVE, stream=-5)
    with torch.no_grad():
        change = (margin(model(away), labels) - margin(before, labels)).abs()
    gradient, slope = gradient.double(), slope.double()  # half precision holds no sum over pixels
    allowed = (slope * (away - images)).abs().flatten(1).sum(dim=1)
    largest, steepest = (tensor.abs().flatten(1).amax(dim=1) for tensor in (gradient, slope))
    saturated = (largest <= SATURATED * steepest) & (steepest > 0)
    return saturated | (allowed < FLAT * change)
