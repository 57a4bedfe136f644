"""Gradients that are exactly zero."""

from torch import Tensor

from sparsefront.attacks.parts.differentiation import value_and_gradient
from sparsefront.attacks.parts.losses import cross_entropy
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.usable_gradient import with_usable_gradient


def zero_gradients(model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
    """Bool (B,): the gradient of cross entropy is exactly zero, is not there at all, or is not finite.

    An attack that follows it stays where it is. 1 pass.

    Args:
        model: images -> logits (B, K), as an adversary sees it.
        images: (B, C, H, W) in [0, 1].
        labels: (B,) int64.
        indices: (B,) int64, the samples' numbers.
    """
    _, gradient = value_and_gradient(
        with_usable_gradient(model), images, lambda logits: cross_entropy(logits, labels), labels
    )
    return (gradient == 0).flatten(1).all(dim=1)
