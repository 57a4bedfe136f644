"""Projected steps along gradients estimated from a model's answers."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from sparsefront.attacks.parts.balls import confine
from sparsefront.attacks.parts.bounded import Bounded
from sparsefront.attacks.parts.candidates import improve
from sparsefront.attacks.parts.losses import Goal, Loss
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import radii
from sparsefront.attacks.parts.queries import in_chunks
from sparsefront.attacks.parts.steps import steepest
from sparsefront.attacks.parts.walk import Walk, all_rows
from sparsefront.common.noise import normal, uniform
from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import at_least, check_rules, from_0_to_below_1, one_of, positive, unit_interval

Directions = Literal["normal", "sign"]
# Directions drawn and asked about at once, whatever the batch: a sample's numbers must not depend on its mates.
BLOCK = 10


@dataclass
class _Estimates(Walk):
    """Samples on their way up: images and iterates, averaged estimates there, radii, step lengths, goal, numbers."""

    clean: Tensor
    here: Tensor
    average: Tensor
    eps: Tensor
    step: Tensor
    goal: Goal
    indices: Tensor


@dataclass(frozen=True)
class NES(Bounded):
    """Projected gradient descent whose gradient is averaged from differences of losses along random directions.

    g = mean over u of u (l(x + sigma u) - l(x - sigma u)) / (2 sigma), with normal directions u (natural evolution
    strategies, Ilyas et al. 2018) or random signs (SPSA, Uesato et al. 2018). A sample that is wrong already is
    returned as it is, one that no iterate fools at its highest loss.

    Args:
        eps: radius of the ball in [0, 1] pixel units; `8/255` is read.
        norm: of the ball and of the step.
        relative: `eps` and `step_size` are multiples of each image's own norm.
        loss: `cw` (margin), `ce` (cross entropy) or `dlr` (difference of logits ratio).
        targeted: labels are the classes aimed at.
        eot_iter: passes through a randomised model that are averaged into one answer.
        steps: estimated gradients, each followed by a step; 100 with 50 directions are the 10,000 queries of the
            authors' code.
        step_size: length of a step in that norm; 2.5 * eps / steps if absent.
        n_directions: random directions of one estimate; each costs two queries, one to either side.
        sigma: how far along each direction the loss is asked for, in pixel units.
        directions: `normal` (NES) or `sign` (SPSA).
        momentum: share of the old average that each new estimate leaves in place; averages the estimates' noise. The
            authors' code has 0.9, too.
        early_stop: ask no more about a sample that has fallen. Wrong for a surrogate.
        l1_sparsity: fraction of the pixels that an L1 step moves.
        seed: of the directions, which depend on (seed, sample, step) alone.

    Raises:
        ValueError: a setting out of range.
    """

    knowledge: ClassVar[str | None] = "black_box"

    loss: Loss = "cw"
    steps: int = 100
    step_size: PixelSize | None = None
    n_directions: int = 50
    sigma: PixelSize = 0.001
    directions: Directions = "normal"
    momentum: float = 0.9
    early_stop: bool = True
    l1_sparsity: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_size is not None:
            check_rules(positive("leave it out for 2.5 * eps / steps", step_size=float(self.step_size)))
        check_rules(
            [
                *one_of(get_args(Directions), directions=self.directions),
                *at_least(1, steps=self.steps, n_directions=self.n_directions),
                *positive("0.001 suits pixels in [0, 1]", sigma=float(self.sigma)),
                *from_0_to_below_1(momentum=self.momentum),
                *unit_interval(l1_sparsity=self.l1_sparsity),
            ]
        )

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Estimate, step, keep what is better; a sample that has fallen leaves."""
        step_size = 2.5 * self.radius / self.steps if self.step_size is None else float(self.step_size)
        lengths = radii(step_size, images, self.norm, self.relative)
        goal = self.goal(labels)
        best = self.score(model, images.clone(), goal)
        average = torch.zeros_like(images)
        walk = _Estimates(all_rows(images), images, images, average, self.radii(images), lengths, goal, indices)
        for step in range(self.steps):
            if self.early_stop and not walk.drop(best.fallen[walk.rows]):
                break
            estimate = self._estimate(model, walk.here, walk.goal, walk.indices, step)
            walk.average = self.momentum * walk.average + (1 - self.momentum) * estimate
            ascended = walk.here + steepest(walk.average, walk.here, walk.step, self.norm, self.l1_sparsity)
            walk.here = confine(ascended, walk.clean, walk.eps, self.norm)
            improve(best, walk.rows, self.score(model, walk.here, walk.goal))
        return best.images

    def _estimate(self, model: Model, images: Tensor, goal: Goal, indices: Tensor, step: int) -> Tensor:
        """Estimated gradients (B, C, H, W) of the loss; queries are clipped to the box."""
        sigma = float(self.sigma)
        total = torch.zeros_like(images)
        n_blocks = -(-self.n_directions // BLOCK)
        for block in range(n_blocks):
            count = min(BLOCK, self.n_directions - block * BLOCK)
            moves = sigma * self._draw(indices, torch.Size([BLOCK, *images.shape[1:]]), step * n_blocks + block)
            moves = moves[:, :count].to(images.dtype)
            points = torch.stack([images[:, None] + moves, images[:, None] - moves], dim=2).clamp(0, 1)
            owners = torch.arange(len(images), device=images.device).repeat_interleave(2 * count)
            loss = self.score(in_chunks(model), points.flatten(0, 2), goal[owners]).losses
            loss = loss.view(len(images), count, 2)
            slopes = ((loss[..., 0] - loss[..., 1]) / (2 * sigma**2)).to(images.dtype)
            total += torch.einsum("bn,bnchw->bchw", slopes, moves)
        return total / self.n_directions

    def _draw(self, indices: Tensor, shape: torch.Size, stream: int) -> Tensor:
        """Directions (B, *shape)."""
        if self.directions == "normal":
            return normal(indices, shape, seed=self.seed, stream=stream)
        return torch.where(uniform(indices, shape, seed=self.seed, stream=stream) < 0.5, -1.0, 1.0)
