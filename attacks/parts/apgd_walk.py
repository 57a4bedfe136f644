"""The walk of Auto-PGD: steps with momentum whose length follows from how the loss went."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from sparsefront.attacks.parts.balls import confine
from sparsefront.attacks.parts.norms import Norm
from sparsefront.attacks.parts.steps import steepest
from sparsefront.attacks.parts.walk import Walk, all_rows


def checks(steps: int, norm: Norm) -> dict[int, int]:
    """The steps after which a walk's progress is checked, each with the number of steps since the last check.

    Croce and Hein (2020), section 3: after 0.22 of all steps, then after 0.03 of them fewer each time, down to 0.06;
    for L1 always after 0.04 (Croce and Hein 2021).
    """
    percents = (4, 100, 4) if norm == "L1" else (22, 3, 6)
    window, shrink, least = (max(steps * percent // 100, 1) for percent in percents)
    due = {}
    taken = window
    while taken <= steps:
        due[taken] = window
        window = max(window - shrink, least)
        taken += window
    return due


@dataclass
class APGDWalk(Walk):
    """Where S samples stand inside their balls, and what their steps depend on (Croce and Hein 2020, 2021).

    Args:
        rows: (S,) the samples' places in the batch.
        clean: (S, C, H, W) the centres of the balls.
        eps: (S,) their radii.
        step: (S,) length of the next step.
        sparsity: (S,) fraction of the pixels that an L1 step moves.
        support: (S,) pixels that had moved at the last check (L1).
        here: (S, C, H, W) the iterate; `before` the one before it, `gradient` that of the loss here.
        loss: (S,) here.
        best: (S, C, H, W) the iterate of highest loss so far, with `best_gradient` and `best_loss`.
        rises: (S,) steps since the last check that raised the loss.
        checked_loss: (S,) the highest loss at the last check.
        shortened: (S,) whether the last check halved the step.
    """

    clean: Tensor
    eps: Tensor
    step: Tensor
    sparsity: Tensor
    support: Tensor
    here: Tensor
    before: Tensor
    gradient: Tensor
    loss: Tensor
    best: Tensor
    best_gradient: Tensor
    best_loss: Tensor
    rises: Tensor
    checked_loss: Tensor
    shortened: Tensor

    @classmethod
    def begin(
        cls, start: Tensor, clean: Tensor, eps: Tensor, losses: Tensor, gradient: Tensor, norm: Norm, fresh: bool
    ) -> Self:
        """A walk at its start (B, C, H, W); `fresh` unless an earlier walk led there (L1 goes on from its support)."""
        count = start[0].numel()
        support = _support(start, clean)
        if fresh:
            support = torch.full_like(support, count)
        return cls(
            rows=all_rows(start),
            clean=clean,
            eps=eps,
            step=eps if norm == "L1" else 2 * eps,
            sparsity=torch.full_like(support, 0.2) if fresh else support / (1.5 * count),
            support=support,
            here=start,
            before=start,
            gradient=gradient,
            loss=losses,
            best=start,
            best_gradient=gradient,
            best_loss=losses,
            rises=torch.zeros_like(losses),
            checked_loss=losses,
            shortened=torch.zeros(len(start), dtype=torch.bool, device=start.device),
        )

    def next(self, norm: Norm, momentum: float) -> Tensor:
        """The next iterate (S, C, H, W): a step of ascent and a share `momentum` of the last move, Linf and L2 only."""
        ascended = self.here + steepest(self.gradient, self.here, self.step, norm, self.sparsity)
        ascended = confine(ascended, self.clean, self.eps, norm)
        if norm == "L1":
            return ascended
        drifted = self.here + (1 - momentum) * (ascended - self.here) + momentum * (self.here - self.before)
        return confine(drifted, self.clean, self.eps, norm)

    def arrive(self, images: Tensor, losses: Tensor, gradient: Tensor) -> None:
        """Stand at the next iterate (S, C, H, W) of such losses (S,) and gradient."""
        self.rises = self.rises + (losses > self.loss)
        self.before = self.here
        self.here = images
        self.loss = losses
        self.gradient = gradient
        higher = losses > self.best_loss
        self.best = _where(higher, images, self.best)
        self.best_gradient = _where(higher, gradient, self.best_gradient)
        self.best_loss = torch.where(higher, losses, self.best_loss)

    def check(self, window: int, norm: Norm) -> None:
        """Choose the next step's length, and go back to the best iterate where the steps were no good."""
        back = self._check_sparsity() if norm == "L1" else self._check_progress(window)
        self.here = _where(back, self.best, self.here)
        self.gradient = _where(back, self.best_gradient, self.gradient)
        self.loss = torch.where(back, self.best_loss, self.loss)
        self.rises = torch.zeros_like(self.rises)

    def _check_progress(self, window: int) -> Tensor:
        """Halve the step where too few steps rose, or where as long a step as before found nothing better."""
        stuck = ~self.shortened & (self.best_loss <= self.checked_loss)
        self.shortened = (self.rises <= 0.75 * window) | stuck
        self.checked_loss = self.best_loss
        self.step = torch.where(self.shortened, self.step / 2, self.step)
        return self.shortened

    def _check_sparsity(self) -> Tensor:
        """Step along 2/3 as many pixels as have moved; start anew at eps where those have become fewer."""
        support = _support(self.best, self.clean)
        sparser = support < 0.95 * self.support
        self.step = torch.where(sparser, self.eps, torch.maximum(self.step / 1.5, self.eps / 10))
        self.sparsity = support / (1.5 * self.clean[0].numel())
        self.support = support
        return sparser


def _support(images: Tensor, clean: Tensor) -> Tensor:
    """How many pixels differ, as floating numbers (B,): counts are compared and divided."""
    return (images != clean).flatten(1).sum(dim=1).double()


def _where(mask: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """Sample by sample one of two: (S,), (S, C, H, W) twice."""
    return torch.where(mask[:, None, None, None], yes, no)
