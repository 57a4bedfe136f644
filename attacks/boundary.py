"""The boundary attack."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sparsefront.attacks.parts.decision import DecisionAttack
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import perturbation_norm
from sparsefront.attacks.parts.queries import fools
from sparsefront.attacks.parts.to_boundary import to_boundary
from sparsefront.attacks.parts.walk import Walk, all_rows
from sparsefront.common.noise import normal
from sparsefront.common.rules import at_least, between_0_and_1, check_rules, settings_of

CHECK = 3  # every so many steps the sideways move alone is asked about too
WINDOW = 5  # answers that a change of a step size is decided on
FACTOR = 1.5  # that step sizes change by
HALVINGS = 10  # on the way from the start to the boundary


@dataclass(frozen=True)
class Boundary(DecisionAttack):
    """Smallest L2 perturbation by decisions alone: a random walk along the boundary (Brendel et al. 2018).

    Each step moves sideways on the sphere around the sample, then inwards, and is taken if the model is still fooled.
    Both lengths adapt, sample by sample, so that about half of the sideways moves and a fifth of the whole steps
    succeed; a sample whose inward steps have become as small as `convergence` is done.

    Args:
        steps: of the walk; one query each and another one every third. The authors' code, too, takes 25,000; a sample
            that converges earlier is done.
        sideways: first length of a sideways move, in distances to the sample.
        inwards: first length of an inward move, likewise.
        convergence: inward length at which a sample is done.
        start: `nearest`, the nearest (in L2) of the images given to `fitted` that the model gives another label (paper
            001), or `noise`, uniform noise, blended with the image. A sample that no fitted image serves gets noise.
        n_fitting_images: training images that `fitted` is given; set to 0 with start `noise`.
        targeted: labels are the classes aimed at; the start must have the target's.
        eps: return no perturbation above it, in [0, 1] pixel units; `8/255` is read; absent: any.
        relative: `eps` is a multiple of each image's own norm ||x||.
        seed: of all random numbers, which depend on (seed, sample, query) alone.

    Raises:
        ValueError: a setting out of range, or a call with start `nearest` before `fitted`.
    """

    steps: int = 25000
    sideways: float = 0.01
    inwards: float = 0.01
    convergence: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        lengths = settings_of(self, "sideways", "inwards", "convergence")
        check_rules([*at_least(1, steps=self.steps), *between_0_and_1(**lengths)])

    def _approach(self, model: Model, images: Tensor, start: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Walk."""
        final = to_boundary(lambda points: fools(model, points, labels, self.targeted), images, start, "L2", HALVINGS)
        sideways, inwards = (final.new_full((len(final),), length) for length in (self.sideways, self.inwards))
        tries = torch.zeros(len(final), 4, dtype=torch.int64, device=images.device)
        walk = _RandomWalk(all_rows(images), images, final, labels, indices, sideways, inwards, tries)
        for step in range(self.steps):
            moved, closer = self._propose(walk, step)
            fallen = fools(model, closer, walk.labels, self.targeted)
            if step % CHECK == 0:
                walk.adapt(fools(model, moved, walk.labels, self.targeted), fallen)
            walk.near = torch.where(fallen[:, None, None, None], closer, walk.near)
            done = walk.inwards < self.convergence
            walk.put(final, walk.near, done)
            if not walk.drop(done):
                break
        walk.put(final, walk.near)
        return final

    def _propose(self, walk: "_RandomWalk", step: int) -> tuple[Tensor, Tensor]:
        """Points (S, C, H, W) at the same distance from the images, and nearer ones."""
        column = (len(walk), 1, 1, 1)
        sideways, inwards = walk.sideways.view(column), walk.inwards.view(column)
        away = walk.near - walk.clean
        distance = perturbation_norm(away, "L2").clamp_min(torch.finfo(away.dtype).tiny).view(column)
        draws = normal(walk.indices, away.shape[1:], seed=self.seed, stream=step).to(away.dtype)
        radial = away / distance
        draws = draws - (draws * radial).flatten(1).sum(dim=1).view(column) * radial
        move = sideways * distance * draws / perturbation_norm(draws, "L2").clamp_min(1e-12).view(column)
        around = (away + move) / (1 + sideways**2).sqrt()
        return (walk.clean + around).clamp(0, 1), (walk.clean + (1 - inwards) * around).clamp(0, 1)


@dataclass
class _RandomWalk(Walk):
    """Samples on their way along the boundary.

    Args:
        rows: (S,) places in the batch.
        clean: (S, C, H, W) the images to come near to.
        near: (S, C, H, W) images that fool the model.
        labels: (S,).
        indices: (S,) the samples' numbers.
        sideways: (S,) length of a sideways move, in distances to the image.
        inwards: (S,) length of an inward move, likewise.
        tries: (S, 4) counts since the last change of a length: sideways moves, those that fooled, inward moves after
            such a one, those that fooled.
    """

    clean: Tensor
    near: Tensor
    labels: Tensor
    indices: Tensor
    sideways: Tensor
    inwards: Tensor
    tries: Tensor

    def adapt(self, stayed: Tensor, fallen: Tensor) -> None:
        """Change the lengths by how often moves fool.

        Args:
            stayed: (S,) bool, whether the last sideways move fooled.
            fallen: (S,) bool, whether the whole step did.
        """
        self.tries += torch.stack([torch.ones_like(stayed), stayed, stayed, stayed & fallen], dim=1).long()
        for column, low, high in ((0, 0.2, 0.5), (2, 0.1, 0.25)):
            full = self.tries[:, column] >= WINDOW
            rate = self.tries[:, column + 1] / self.tries[:, column].clamp_min(1)
            factor = torch.where(full & (rate > high), FACTOR, torch.where(full & (rate < low), 1 / FACTOR, 1.0))
            if column == 0:
                self.sideways = (self.sideways * factor).clamp_max(1).to(self.clean.dtype)
            self.inwards = (self.inwards * factor).clamp_max(0.5)
            self.tries[:, column : column + 2] *= ~full[:, None]
        self.inwards = self.inwards.to(self.clean.dtype)
