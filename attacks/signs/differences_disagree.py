"""Gradients that do not foretell how the value changes."""

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsefront.attacks.parts.differentiation import value_and_gradient
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.usable_gradient import with_usable_gradient
from sparsefront.attacks.signs.lead_of_runner_up import lead_of_runner_up
from sparsefront.attacks.signs.moved import moved

MOVE = 4 / 255
N_DIRECTIONS = 5
# Of digits the least of a plain network is 0.91, and a quarter lies below where half of the pixels have no derivative.
LEAST_COSINE = 0.7


def differences_disagree(model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
    """Bool (B,): what the gradient foretells along random directions is not what happens there.

    Central differences of the next class's lead over `N_DIRECTIONS` moves of every pixel by `MOVE`, up or down, against
    the products of the gradient with them: the cosine between the two lists lies below `LEAST_COSINE`. So it does where
    a derivative was taken away, changed or drowned, and the value was not. 12 passes.

    Args:
        model: images -> logits (B, K), as an adversary sees it.
        images: (B, C, H, W) in [0, 1].
        labels: (B,) int64.
        indices: (B,) int64, the samples' numbers: the directions depend on them alone.
    """
    return agreement(model, images, labels, indices) < LEAST_COSINE


def agreement(model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
    """(B,): the cosine between foretold and real changes; 1 where nothing changes."""
    loss = lead_of_runner_up(model, images, labels)
    _, gradient = value_and_gradient(with_usable_gradient(model), images, loss, labels)
    gradient = gradient.double()
    foretold, real = [], []
    with torch.no_grad():
        for number in range(N_DIRECTIONS):
            there = moved(images, indices, MOVE, stream=-17 - 2 * number)
            opposite = (2 * images - there).clamp(0, 1)
            foretold.append((gradient * (there - opposite)).flatten(1).sum(dim=1))
            real.append((loss(model(there)) - loss(model(opposite))).double())
    changes, products = torch.stack(real, dim=1), torch.stack(foretold, dim=1)
    cosine = F.cosine_similarity(changes, products, dim=1, eps=0).nan_to_num()
    return torch.where((changes == 0).all(dim=1), 1.0, cosine)
