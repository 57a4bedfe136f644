"""HopSkipJumpAttack."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sparsefront.attacks.parts.decision import DecisionAttack
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import perturbation_norm
from sparsefront.attacks.parts.queries import fools
from sparsefront.attacks.parts.steps import steepest
from sparsefront.attacks.parts.to_boundary import to_boundary
from sparsefront.attacks.parts.walk import Walk, all_rows
from sparsefront.common.noise import normal, uniform
from sparsefront.common.rules import at_least, check_rules, one_of, positive, settings_of

# Directions drawn and asked about at once, whatever the batch: a sample's numbers must not depend on its mates.
BLOCK = 10
HALVINGS = 25  # of a step that leaves the region where the model is fooled


@dataclass
class _Steps(Walk):
    """Samples that step along their normals: images and normals (S, C, H, W), lengths and labels (S,)."""

    near: Tensor
    normals: Tensor
    lengths: Tensor
    labels: Tensor


@dataclass(frozen=True)
class HopSkipJump(DecisionAttack):
    """Smallest L2 or Linf perturbation by decisions alone: estimate the boundary's normal, step along it, step back.

    Chen et al. (2020), algorithm 2, every sample with its own distance and step. Each sample gets the nearest of all
    boundary points it came to.

    Args:
        norm: `L2` or `Linf`, the size to be made small.
        steps: estimates, each with a step along it and a search back to the boundary.
        n_directions: random directions of the first estimate; the t-th has sqrt(t) times as many. One query each.
        max_directions: the most of them.
        gamma: how far, in distances to the sample over the number of pixels, the directions are followed.
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

    norm: Literal["L2", "Linf"] = "L2"
    steps: int = 32
    n_directions: int = 100
    max_directions: int = 10000
    gamma: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = settings_of(self, "steps", "n_directions", "max_directions")
        check_rules([*one_of(("L2", "Linf"), norm=self.norm), *at_least(1, **counts), *positive(gamma=self.gamma)])

    @property
    def _small_norm(self) -> Literal["L2", "Linf"]:
        return self.norm

    def _approach(self, model: Model, images: Tensor, start: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Algorithm 2."""

        def fooled_by(points: Tensor) -> Tensor:
            return fools(model, points, labels, self.targeted)

        n_pixels = images[0].numel()
        # The paper's tolerance of the search, as a fraction of the way.
        tolerance = self.gamma / n_pixels ** (1.5 if self.norm == "L2" else 2)
        halvings = min(max(math.ceil(-math.log2(tolerance)), 1), 40)
        near = to_boundary(fooled_by, images, start, self.norm, halvings)
        distance = perturbation_norm(near - images, self.norm)
        best = near
        shortest = distance
        stream = 0
        for step in range(1, self.steps + 1):
            count = int(min(self.n_directions * step**0.5, self.max_directions))
            reach = distance * self.gamma / n_pixels if step > 1 else torch.full_like(distance, 0.1)
            normals = self._normals(model, near, reach, labels, indices, count, stream)
            stream += -(-count // BLOCK)
            far = self._step(model, near, normals, distance / step**0.5, labels)
            near = to_boundary(fooled_by, images, far, self.norm, halvings)
            distance = perturbation_norm(near - images, self.norm)
            shorter = distance < shortest
            best, shortest = torch.where(shorter[:, None, None, None], near, best), torch.minimum(distance, shortest)
        return best

    def _normals(
        self, model: Model, near: Tensor, reach: Tensor, labels: Tensor, indices: Tensor, count: int, stream: int
    ) -> Tensor:
        """Estimated direction (B, C, H, W) of steepest way into the region that fools, at length 1 in the norm.

        The paper's equation 16: directions weighted by their decisions (+1 or -1) less the decisions' mean.
        """
        moves = torch.zeros_like(near)
        decided = torch.zeros_like(near)
        decisions = torch.zeros_like(reach)
        reach = reach.clamp_min(torch.finfo(near.dtype).tiny)[:, None, None, None, None]
        for block in range(-(-count // BLOCK)):
            ways = self._directions(indices, near, stream + block)[:, : count - block * BLOCK]
            points = (near[:, None] + reach * ways).clamp(0, 1)
            ways = (points - near[:, None]) / reach
            fallen = fools(model, points.flatten(0, 1), labels.repeat_interleave(ways.shape[1]), self.targeted)
            votes = (2.0 * fallen - 1).view(ways.shape[:2]).to(near.dtype)
            moves = moves + ways.sum(dim=1)
            decisions = decisions + votes.sum(dim=1)
            decided = decided + torch.einsum("bn,bnchw->bchw", votes, ways)
        mean = (decisions / count)[:, None, None, None]
        # Where all decisions are one there is nothing to weight: go, or turn back, along the mean direction.
        estimate = torch.where(mean.abs() == 1, decided, decided - mean * moves)
        return steepest(estimate, near, 1.0, self.norm)

    def _directions(self, indices: Tensor, near: Tensor, stream: int) -> Tensor:
        """Random directions (B, BLOCK, C, H, W) at L2 length 1."""
        shape = torch.Size([BLOCK, *near.shape[1:]])
        if self.norm == "L2":
            draws = normal(indices, shape, seed=self.seed, stream=stream)
        else:
            draws = 2 * uniform(indices, shape, seed=self.seed, stream=stream) - 1
        lengths = draws.flatten(2).norm(dim=2).clamp_min(1e-12)
        directions: Tensor = (draws / lengths[:, :, None, None, None]).to(near.dtype)
        return directions

    def _step(self, model: Model, near: Tensor, normals: Tensor, lengths: Tensor, labels: Tensor) -> Tensor:
        """Step along the normals, half as far until the model is fooled; stay where it never is."""
        far = near.clone()
        walk = _Steps(all_rows(near), near, normals, lengths, labels)
        for _ in range(HALVINGS):
            points = (walk.near + walk.lengths[:, None, None, None] * walk.normals).clamp(0, 1)
            fallen = fools(model, points, walk.labels, self.targeted)
            walk.put(far, points, fallen)
            if not walk.drop(fallen):
                break
            walk.lengths = walk.lengths / 2
        return far
