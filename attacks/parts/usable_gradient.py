"""A model whose gradient can always be asked for."""

from typing import Any

import torch
from torch import Tensor

from sparsefront.attacks.parts.model import Model


def with_usable_gradient(model: Model) -> Model:
    """The same logits, with a gradient of 0 for every sample for which the model has none, or none that is finite.

    Whoever looks for what is wrong with gradients must not be stopped by the first.
    """
    return lambda images: connected(model(_FiniteGradient.apply(images)), images)


def connected(outputs: Tensor, images: Tensor) -> Tensor:
    """Outputs (B, K) as they are, whose graph leads to the images (B, C, H, W), with a gradient of 0 where none did."""
    return outputs + (0 * images).flatten(1).sum(dim=1, keepdim=True).to(outputs.dtype)


class _FiniteGradient(torch.autograd.Function):
    """Images (B, C, H, W) as they are; the gradient of a sample is 0 where a number of it is not finite."""

    @staticmethod
    def forward(_: Any, images: Tensor) -> Tensor:
        """Hand on a copy."""
        return images.clone()

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        """Hand back what is finite, sample by sample."""
        finite = gradient.flatten(1).isfinite().all(dim=1)
        return torch.where(finite[:, None, None, None], gradient, 0)
