"""Answers that say a class and nothing of how near another one is."""

import torch
from torch import Tensor

from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.signs.moved import moved

MOVE = 8 / 255  # of each pixel, up or down


@torch.no_grad()
def answers_without_scores(model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
    """Bool (B,): one output stands out and all others are equal; of two, a small move of the image changes neither.

    So answers a model that gives out a label, as one-hot outputs or as any other two values, or a label with its score:
    nothing says which class is the next one. 2 passes.

    Args:
        model: images -> outputs (B, K), as an adversary sees it.
        images: (B, C, H, W) in [0, 1].
        labels: (B,) int64, not looked at.
        indices: (B,) int64, the samples' numbers: random moves depend on them alone.
    """
    here, away = (model(points).sort(dim=1).values for points in (images, moved(images, indices, MOVE, stream=-5)))
    two_values = (here[:, 0] == here[:, -2]) & (here[:, -2] < here[:, -1])
    return two_values & ((here == away).all(dim=1) | (here.shape[1] > 2))
