"""What gradient attacks inside a ball have in common."""

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from sparsefront.attacks.base import Attack
from sparsefront.attacks.parts.balls import random_point
from sparsefront.attacks.parts.candidates import Candidates
from sparsefront.attacks.parts.differentiation import value_and_gradient
from sparsefront.attacks.parts.losses import LEAST_CLASSES, Goal, Loss
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm, radii
from sparsefront.attacks.parts.queries import checked_logits, mean_logits
from sparsefront.attacks.parts.reach import radius_rules
from sparsefront.common.budget import Budget
from sparsefront.common.noise import normal, uniform
from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import at_least, check_rules, one_of


@dataclass(frozen=True)
class Bounded(Attack):
    """A ball around each image, and a loss to raise inside it.

    Args:
        eps: radius of the ball in [0, 1] pixel units; `8/255` is read.
        norm: of the ball.
        relative: `eps` is a multiple of each image's own norm ||x|| (the dissimilarity of papers 002 and 004).
        loss: `ce` (cross entropy), `cw` (margin) or `dlr` (difference of logits ratio).
        targeted: labels are the classes aimed at.
        eot_iter: passes through a randomised model that are averaged into one gradient.

    Raises:
        ValueError: a setting out of range.
    """

    eps: PixelSize = "8/255"
    norm: Norm = "Linf"
    relative: bool = False
    loss: Loss = "ce"
    targeted: bool = False
    eot_iter: int = 1

    def __post_init__(self) -> None:
        check_rules(
            [
                *one_of(get_args(Norm), norm=self.norm),
                *radius_rules(self.norm, self.relative, eps=self.radius),
                *one_of(get_args(Loss), loss=self.loss),
                *at_least(1, eot_iter=self.eot_iter),
            ]
        )

    @property
    def radius(self) -> float:
        """`eps`, as a number."""
        return float(self.eps)

    @property
    def budget(self) -> Budget:
        """The ball around each image that the attack keeps to."""
        return Budget(self.norm, self.radius, self.relative)

    @property
    def least_classes(self) -> int:
        """Classes that the loss needs at least."""
        return LEAST_CLASSES[self.loss, self.targeted]

    def radii(self, images: Tensor) -> Tensor:
        """Radii of the balls around the images: (B, C, H, W) -> (B,)."""
        return radii(self.radius, images, self.norm, self.relative)

    def goal(self, labels: Tensor) -> Goal:
        """What to make of samples of these labels (B,)."""
        return Goal(self.loss, labels, self.targeted)

    def differentiate(self, model: Model, images: Tensor, goal: Goal) -> tuple[Tensor, Tensor]:
        """Logits (B, K) and the gradient of the goal's loss (B, C, H, W)."""
        return value_and_gradient(model, images, goal.losses, goal.classes, self.eot_iter)

    def score(self, model: Model, images: Tensor, goal: Goal) -> Candidates:
        """Images with their losses and whether they reach the goal, by a forward pass without a graph."""
        logits = checked_logits(mean_logits(model, images, self.eot_iter), goal.classes)
        return Candidates(images, goal.losses(logits).to(images.dtype), goal.reached(logits))


def check_restarts(n_restarts: int, random_start: bool) -> None:
    """Raise a ValueError unless there is a restart, and more than one only where they differ."""
    check_rules(at_least(1, n_restarts=n_restarts))
    if n_restarts > 1 and not random_start:
        raise ValueError(
            f"`n_restarts` must be 1 without `random_start`, found {n_restarts}: all restarts would be equal."
        )


def random_start(images: Tensor, indices: Tensor, eps: Tensor, norm: Norm, *, seed: int, attempt: int) -> Tensor:
    """Images (B, C, H, W) drawn evenly from the balls of radii `eps` (B,) around images, clipped to [0, 1]."""
    shape = images.shape[1:]
    uniforms = uniform(indices, shape, seed=seed, stream=2 * attempt)
    normals = uniforms if norm == "Linf" else normal(indices, shape, seed=seed, stream=attempt)
    # Half precision would round some uniforms up to 1.
    precision = torch.promote_types(images.dtype, torch.float32)
    delta = random_point(normals.to(precision), uniforms.to(precision), eps, norm)
    return (images + delta.to(images.dtype)).clamp(0, 1)
