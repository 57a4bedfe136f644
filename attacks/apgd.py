"""Auto-PGD."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sparsefront.attacks.parts.apgd_walk import APGDWalk, checks
from sparsefront.attacks.parts.balls import confine
from sparsefront.attacks.parts.bounded import Bounded, check_restarts, random_start
from sparsefront.attacks.parts.candidates import Candidates, best_of_attempts, improve
from sparsefront.attacks.parts.losses import Goal
from sparsefront.attacks.parts.model import Model
from sparsefront.common.rules import at_least, check_rules


@dataclass(frozen=True)
class APGD(Bounded):
    """PGD with momentum that halves a sample's step where the loss stops rising (Croce and Hein 2020).

    L1 steps along as many pixels as its progress calls for, and walks in balls of 3 eps and 2 eps first (Croce and Hein
    2021). Of all restarts a sample keeps the image of highest loss among those that fool the model or, if none does,
    among all. From `starts`, the first walk begins there and, in L1 too, stays in the ball, so that what is returned is
    no worse than the start; further restarts are random.

    Args:
        eps: radius of the ball in [0, 1] pixel units; `8/255` is read.
        norm: of the ball and of the step.
        relative: `eps` is a multiple of each image's own norm.
        loss: `ce` (cross entropy), `cw` (margin) or `dlr` (difference of logits ratio, for 3 classes or more).
        targeted: labels are the classes aimed at.
        eot_iter: passes through a randomised model that are averaged into one gradient.
        steps: gradient steps a restart.
        n_restarts: starts a sample.
        random_start: start anywhere in the ball instead of at the image.
        early_stop: drop a sample as soon as an iterate fools the model, and restart only samples still standing. As
            strong and much faster where `model` is the deployed model; wrong for a surrogate.
        seed: of the random starts, which depend on (seed, sample, restart) alone.

    Raises:
        ValueError: a setting out of range; at the call, too few classes for the loss.
    """

    begins_from_starts: ClassVar[bool] = True

    steps: int = 100
    n_restarts: int = 1
    random_start: bool = True
    early_stop: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rules(at_least(1, steps=self.steps))
        check_restarts(self.n_restarts, self.random_start)

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Ascend from every start, sample by sample keeping the best."""
        return self._best_ascent(model, images, labels, indices, None)

    def perturb_from(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor, starts: Tensor) -> Tensor:
        """Likewise, the first time from `starts` (B, C, H, W)."""
        return self._best_ascent(model, images, labels, indices, starts)

    def _best_ascent(
        self, model: Model, images: Tensor, labels: Tensor, indices: Tensor, starts: Tensor | None
    ) -> Tensor:
        goal = self.goal(labels)

        def attempt(restart: int, rows: Tensor) -> Candidates:
            if restart == 0 and starts is not None:
                return self.ascend_from(model, starts[rows], images[rows], goal[rows])
            return self.ascend(model, images[rows], indices[rows], goal[rows], restart)

        return best_of_attempts(attempt, images, self.n_restarts, self.early_stop)

    def ascend_from(self, model: Model, starts: Tensor, images: Tensor, goal: Goal) -> Candidates:
        """The best that a walk from starts (B, C, H, W) finds in the balls around images."""
        return self._walk(model, starts, images, self.radii(images), goal, self.steps, True, self.early_stop)[0]

    def ascend(self, model: Model, images: Tensor, indices: Tensor, goal: Goal, attempt: int) -> Candidates:
        """The best that one attempt finds near images (B, C, H, W) of samples `indices` (B,)."""
        eps = self.radii(images)
        early_steps = self.steps * 3 // 10
        phases = [(1, self.steps)]
        if self.norm == "L1" and early_steps:
            phases = [(3, early_steps), (2, early_steps), (1, self.steps - 2 * early_steps)]
        start = images
        if self.random_start:
            widest = phases[0][0] * eps
            start = random_start(images, indices, widest, self.norm, seed=self.seed, attempt=attempt)
        for width, steps in phases:
            start = confine(start, images, width * eps, self.norm)
            stop = self.early_stop and width == 1
            best, start = self._walk(model, start, images, width * eps, goal, steps, width == phases[0][0], stop)
        return best

    def _walk(
        self,
        model: Model,
        start: Tensor,
        images: Tensor,
        eps: Tensor,
        goal: Goal,
        steps: int,
        fresh: bool,
        early_stop: bool,
    ) -> tuple[Candidates, Tensor]:
        """One walk from `start` in the balls of radii `eps` (B,) around images.

        Returns:
            The best it meets, and the images of highest loss of those samples that were not dropped.
        """
        candidates, gradient = self._look(model, start, goal, last=False)
        best = Candidates(*(values.clone() for values in candidates))
        walk = APGDWalk.begin(start, images, eps, candidates.losses, gradient, self.norm, fresh)
        due = checks(steps, self.norm)
        for taken in range(1, steps + 1):
            if early_stop:
                goal = goal[~candidates.fallen]
                if not walk.drop(candidates.fallen):
                    break
            points = walk.next(self.norm, momentum=0.25 if taken > 1 else 0.0)
            candidates, gradient = self._look(model, points, goal, last=taken == steps)
            walk.arrive(points, candidates.losses, gradient)
            improve(best, walk.rows, candidates)
            if taken in due:
                walk.check(due[taken], self.norm)
        return best, walk.best

    def _look(self, model: Model, points: Tensor, goal: Goal, last: bool) -> tuple[Candidates, Tensor]:
        """What the model makes of points (B, C, H, W), and the loss's gradient there; of the last none is needed."""
        if last:
            return self.score(model, points, goal), torch.zeros_like(points)
        logits, gradient = self.differentiate(model, points, goal)
        return Candidates(points, goal.losses(logits).to(points.dtype), goal.reached(logits)), gradient
