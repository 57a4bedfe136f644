"""Gradients that say one thing here and another beside."""

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsefront.attacks.parts.differentiation import value_and_gradient
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.usable_gradient import with_usable_gradient
from sparsefront.attacks.signs.lead_of_runner_up import lead_of_runner_up
from sparsefront.attacks.signs.moved import moved_within

RADIUS = 1 / 255  # a gray level to either side is nothing that anybody sees
N_POINTS = 2
LEAST_COSINE = 0.5


def rippled(model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
    """Bool (B,): gradients at an image and at points a gray level beside it have next to no direction in common.

    The mean cosine between those of the next class's lead lies below `LEAST_COSINE`. 4 passes.

    Args:
        model: images -> logits (B, K), as an adversary sees it.
        images: (B, C, H, W) in [0, 1].
        labels: (B,) int64.
        indices: (B,) int64, the samples' numbers: the points depend on them alone.
    """
    return cosines(model, images, labels, indices) < LEAST_COSINE


def cosines(model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
    """(B,): the mean cosine between the gradients at an image and beside it; 1 where all are 0."""
    usable, loss = with_usable_gradient(model), lead_of_runner_up(model, images, labels)

    def gradient(points: Tensor) -> Tensor:
        found = value_and_gradient(usable, points, loss, labels)[1]
        return found.flatten(1).double()

    here = gradient(images)
    beside = [gradient(moved_within(images, indices, RADIUS, stream=-7 - 2 * number)) for number in range(N_POINTS)]
    flat = torch.stack([one.abs().amax(dim=1) for one in [here, *beside]]).amax(dim=0) == 0
    mean = torch.stack([F.cosine_similarity(here, one, eps=0) for one in beside]).nan_to_num().mean(dim=0)
    return torch.where(flat, 1.0, mean)
