"""The last resort of searches for the smallest perturbation: an image that fools, wherever one is to be had."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor

from sparsefront.attacks.parts.ascent import Ascent
from sparsefront.attacks.parts.coarse_noise import TRIES, coarse_noise
from sparsefront.attacks.parts.crossing import lead_of
from sparsefront.attacks.parts.losses import Goal
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm, diameter
from sparsefront.attacks.parts.queries import answers
from sparsefront.attacks.parts.to_boundary import to_boundary
from sparsefront.attacks.parts.walk import all_rows

SHARES = tuple(2.0**power for power in range(-7, 1))  # radii of the balls, in diameters of the box
HALVINGS = 25  # of the way back to the boundary

Attempt = Callable[[Tensor, Tensor, Tensor], Tensor]  # images, labels, indices -> images


@dataclass(frozen=True)
class _Crossing(Goal):
    """Reached by a lead of more than `confidence`, as `lead_of` counts."""

    confidence: float = 0.0

    def reached(self, logits: Tensor) -> Tensor:
        """(B, K) -> bool (B,)."""
        return lead_of(logits, self.classes, self.targeted) > self.confidence


@dataclass(frozen=True)
class _Climb(Ascent):
    """Steps up the margin from the image itself until they are beyond the boundary by `confidence`."""

    reach: ClassVar[float] = 2.5

    steps: int = 20
    early_stop: bool = True
    confidence: float = 0.0

    def goal(self, labels: Tensor) -> Goal:
        """The other side of the boundary for samples of these labels (B,)."""
        return _Crossing("cw", labels, self.targeted, confidence=self.confidence)

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Climb."""
        return self.ascend(model, images, images, self.goal(labels)).images


def cross_somewhere(
    model: Model,
    images: Tensor,
    labels: Tensor,
    indices: Tensor,
    norm: Norm,
    targeted: bool = False,
    confidence: float = 0.0,
) -> Tensor:
    """Images that fool, at the boundary on the straight way to `images`; those themselves where none is found.

    First by gradient: steps up the margin in one ball after the other, each twice as large, until the ball is the box;
    then by answers alone: noise of ever coarser grain. What fools is led back to the boundary by bisection. It depends
    on a sample and its number alone.

    Args:
        model: images -> logits.
        images: (B, C, H, W), of which none fools.
        labels: (B,).
        indices: (B,) the samples' numbers.
        norm: of the balls and of the way back.
        targeted: whether the labels are the classes aimed at.
        confidence: an image counts as fooling if its lead, in logits, is larger.
    """

    def beyond(points: Tensor, rows: Tensor) -> Tensor:
        return lead_of(answers(model, points, labels[rows]), labels[rows], targeted) > confidence

    far = images.clone()
    standing = all_rows(images)
    balls = [share * diameter(images, norm) for share in SHARES]
    climbs = [_Climb(eps=eps, norm=norm, loss="cw", targeted=targeted, confidence=confidence) for eps in balls]
    attempts: list[Attempt] = [partial(climb.perturb, model) for climb in climbs]
    for attempt in [*attempts, *map(_draw, range(TRIES))]:
        if not len(standing):
            break
        points = attempt(images[standing], labels[standing], indices[standing])
        fallen = beyond(points, standing)
        far[standing[fallen]] = points[fallen]
        standing = standing[~fallen]
    rows = (far != images).flatten(1).any(dim=1).nonzero().squeeze(1)
    if len(rows):
        far[rows] = to_boundary(lambda points: beyond(points, rows), images[rows], far[rows], norm, HALVINGS)
    return far


def _draw(attempt: int) -> Attempt:
    """Noise in the place of images, the same for every attack."""
    return lambda images, _labels, indices: coarse_noise(images, indices, attempt, seed=0)
