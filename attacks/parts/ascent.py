"""The loop of steps that PGD, BIM and MI-FGSM share."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sparsefront.attacks.parts.balls import confine
from sparsefront.attacks.parts.bounded import Bounded
from sparsefront.attacks.parts.candidates import Candidates
from sparsefront.attacks.parts.losses import Goal
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import radii
from sparsefront.attacks.parts.steps import steepest
from sparsefront.attacks.parts.walk import Walk, all_rows
from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import at_least, check_rules, positive, unit_interval


@dataclass
class _Steps(Walk):
    """Samples on their way up: their images and iterates, gradient and velocity there, radii, step lengths, goal."""

    clean: Tensor
    here: Tensor
    gradient: Tensor
    velocity: Tensor
    eps: Tensor
    step: Tensor
    goal: Goal


@dataclass(frozen=True)
class Ascent(Bounded):
    """Steps of steepest ascent, each led back to the ball and the box.

    Attributes:
        reach: how many times eps all steps together are long, if `step_size` is absent.

    Args:
        eps: radius of the ball in [0, 1] pixel units; `8/255` is read.
        norm: of the ball and of the step.
        relative: `eps` and `step_size` are multiples of each image's own norm.
        loss: `ce` (cross entropy), `cw` (margin) or `dlr` (difference of logits ratio).
        targeted: labels are the classes aimed at.
        eot_iter: passes through a randomised model that are averaged into one gradient.
        steps: gradient steps.
        step_size: length of a step in that norm.
        early_stop: drop a sample as soon as an iterate fools the model.
        l1_sparsity: fraction of the pixels that an L1 step moves.

    Raises:
        ValueError: a setting out of range.
    """

    reach: ClassVar[float]

    steps: int = 10
    step_size: PixelSize | None = None
    early_stop: bool = False
    l1_sparsity: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rules(at_least(1, steps=self.steps))
        if self.step_size is not None:
            check_rules(positive(f"leave it out for {self.reach} * eps / steps", step_size=float(self.step_size)))
        check_rules(unit_interval(l1_sparsity=self.l1_sparsity))

    @property
    def step(self) -> float:
        """The length of a step, as a number in the unit of `eps`."""
        return self.reach * self.radius / self.steps if self.step_size is None else float(self.step_size)

    def accumulate(self, velocity: Tensor, gradient: Tensor) -> Tensor:
        """What to step along, from what the last step went along and the gradient here: (B, C, H, W) each."""
        return gradient

    def ascend(self, model: Model, start: Tensor, images: Tensor, goal: Goal) -> Candidates:
        """Steps from `start` in the balls around `images`: what they end at, (B, C, H, W) each."""
        final = start.clone()
        step = radii(self.step, images, self.norm, self.relative)
        nowhere = torch.zeros_like(start)
        walk = _Steps(all_rows(images), images, start, nowhere, nowhere, self.radii(images), step, goal)
        for _ in range(self.steps):
            logits, walk.gradient = self.differentiate(model, walk.here, walk.goal)
            if self.early_stop:
                fallen = walk.goal.reached(logits)
                walk.put(final, walk.here, fallen)
                if not walk.drop(fallen):
                    break
            walk.velocity = self.accumulate(walk.velocity, walk.gradient)
            ascended = walk.here + steepest(walk.velocity, walk.here, walk.step, self.norm, self.l1_sparsity)
            walk.here = confine(ascended, walk.clean, walk.eps, self.norm)
        walk.put(final, walk.here)
        return self.score(model, final, goal)
