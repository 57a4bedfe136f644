"""Random search by moves of several kinds."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from sparsefront.attacks.parts.bounded import Bounded
from sparsefront.attacks.parts.candidates import Candidates, best_of_attempts, improve
from sparsefront.attacks.parts.compiled_walk import CompiledRules, compiled_walk
from sparsefront.attacks.parts.crossing import with_ties
from sparsefront.attacks.parts.losses import Goal, Loss
from sparsefront.attacks.parts.mixed_moves import (
    compiled_linf_move,
    mixed_linf_move,
    mixed_window_move,
    rectangles_in_turn,
)
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.nearby import Nearby
from sparsefront.attacks.parts.queries import checked_logits
from sparsefront.attacks.parts.squares import first_points
from sparsefront.attacks.parts.walk import Walk, all_rows
from sparsefront.common.compiles_for import compiles_for
from sparsefront.common.rules import at_least, check_rules, settings_of

_SHORTEST_TRIAL = 100  # queries
_TRIAL, _WORTH = 1 / 40, 0.01  # of the queries, and of the rise from the image to its start
# Of another walk: so many times what the margin rose so far, half of it after each walk. Not a round number, which what
# a quantised margin rose by would meet exactly, so that rounding decided.
_HOPE = 5.001


@dataclass
class _Search(Walk):
    """Samples that are searched for: images, radii, goal, numbers, when the loss last rose, and what it must reach."""

    clean: Tensor
    eps: Tensor
    goal: Goal
    indices: Tensor
    risen: Tensor
    worth: Tensor


@dataclass(frozen=True)
class MixedSearch(Bounded):
    """Random search that walks on over plateaus, by logits alone: `Square` for models that quantise.

    From Square (Andriushchenko et al. 2020; L1: Croce and Hein 2021): the start in stripes, proposals that set a square
    to +-eps (Linf) or hand a window's budget to another one (L2, L1), and the schedule by which they shrink. Ours:

    - In Linf, a proposal of equal loss is taken. A quantiser answers many with exactly what it said before; taking them
      is how the search gets anywhere between two of its steps. In L2 and L1 they would hand the budget to windows where
      it brings nothing.
    - Rectangles, half of them of a size that follows no schedule, and further kinds of Linf moves: each pixel its own
      sign, the clean pixels back, and single pixels. In L2 and L1: a square's budget goes to all that is left.
    - A walk ends where the sample's loss has not risen for `patience` queries, and another one begins elsewhere.
    - The first walk begins from `starts`, if there are any: the best points that other attacks found. Where a fortieth
      of its queries (but 100 at least) raises the loss by less than a hundredth of what lies between the image and its
      start, gradients have led to the top, and the sample is searched no more.
    - Where walks grow, nor is a sample (`loss: cw`) whose margin is further from 0 after a walk than five times what it
      has risen since the clean image; half as many times after the second, and so on: each brings less.

    A proposal that changes nothing is not asked about. A sample that is wrong already is returned as it is, one that no
    query fools at its highest loss.

    Args:
        eps: radius of the ball in [0, 1] pixel units; `8/255` is read.
        norm: of the ball.
        relative: `eps` is a multiple of each image's own norm.
        loss: `cw` (margin), `ce` (cross entropy) or `dlr` (difference of logits ratio).
        targeted: labels are the classes aimed at.
        eot_iter: passes through a randomised model that are averaged into one answer.
        n_queries: images that the model is asked about at most in a sample's first walk; rectangles shrink over them.
        patience: queries without a rise of a sample's loss after which its walk ends; absent: a quarter of the
            walk's queries, since rises become as rare as the rectangles small.
        n_walks: walks a sample; only samples still standing get another one.
        growth: how many times as many queries each walk has as the one before; above 1, walks are made by need.
        early_stop: ask no more about a sample that has fallen. Wrong for a surrogate.
        seed: of the proposals, which depend on (seed, sample, walk, query) alone.

    Raises:
        ValueError: a setting out of range.
    """

    knowledge: ClassVar[str | None] = "black_box"
    begins_from_starts: ClassVar[bool] = True

    loss: Loss = "cw"
    n_queries: int = 10000
    patience: int | None = None
    n_walks: int = 2
    growth: int = 1
    early_stop: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        names = ["n_queries", "n_walks", "growth", *(["patience"] if self.patience is not None else [])]
        check_rules(at_least(1, **settings_of(self, *names)))

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Walk from stripes, sample by sample keeping the best."""
        return self._best_walk(model, images, labels, indices, None)

    def perturb_from(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor, starts: Tensor) -> Tensor:
        """Likewise, the first time from `starts` (B, C, H, W)."""
        return self._best_walk(model, images, labels, indices, starts)

    def _best_walk(
        self, model: Model, images: Tensor, labels: Tensor, indices: Tensor, starts: Tensor | None
    ) -> Tensor:
        goal = self.goal(labels)
        clean = self.score(model, images, goal)
        given_up, highest = torch.zeros_like(clean.fallen), clean.losses.clone()

        def attempt(number: int, rows: Tensor) -> Candidates:
            found = Candidates(images[rows], clean.losses[rows], clean.fallen[rows])
            searched = (~given_up[rows]).nonzero().squeeze(1)
            if not len(searched):
                return found
            rows = rows[searched]
            centres, eps, samples = images[rows], self.radii(images[rows]), indices[rows]
            longer = replace(self, n_queries=self.n_queries * self.growth**number)
            stream = sum(self.n_queries * self.growth**before for before in range(number))
            worth = torch.full_like(clean.losses[rows], -torch.inf)
            if number == 0 and starts is not None:
                start = self.score(model, starts[rows], goal[rows])
                if min(longer.n_queries, longer._patience) > longer._trial:
                    worth = start.losses + _WORTH * (start.losses - clean.losses[rows])
            else:
                points = first_points(centres, eps, self.norm, samples, seed=self.seed, stream=stream)
                start = self.score(model, points, goal[rows])
            walk = _Search(all_rows(centres), centres, eps, goal[rows], samples, torch.zeros_like(samples), worth)
            best = longer._walk(model, start, walk, stream)
            highest[rows] = highest[rows].maximum(best.losses)
            given_up[rows] = (best.losses < worth) | self._hopeless(clean.losses[rows], highest[rows], number)
            for kept, new in zip(found, best, strict=True):
                kept[searched] = new
            return found

        fallen = clean.fallen if self.early_stop else None
        return best_of_attempts(attempt, images, self.n_walks, self.early_stop, fallen)

    def _hopeless(self, clean: Tensor, highest: Tensor, number: int) -> Tensor:
        """Whether (S,) more is left to climb after a walk than another one may be hoped to bring."""
        if self.growth == 1 or self.loss != "cw":  # where other losses have to get nobody knows
            return torch.zeros_like(clean, dtype=torch.bool)
        hoped_for = (highest - clean) * (_HOPE * 0.5**number)
        return highest < -hoped_for

    @property
    def _patience(self) -> int:
        return max(self.n_queries // 4, 1) if self.patience is None else self.patience

    @property
    def _trial(self) -> float:
        """Queries in which a walk from a given start must show that it is worth it."""
        return max(self.n_queries * _TRIAL, float(_SHORTEST_TRIAL))

    def _walk(self, model: Model, best: Candidates, walk: _Search, first: int) -> Candidates:
        """The best of one walk from points as the model judges them; its draws are of the streams from `first` on."""
        asked = Nearby(
            model, best.images, self.eot_iter, local=self.norm == "Linf"
        )  # others spend what is left anywhere
        if asked.compiled is not None and self.loss == "cw" and self.early_stop and walk.goal.labels is None:
            rules = CompiledRules(self.n_queries, self._patience, self._trial, self.seed, first)
            return compiled_walk(asked, best, walk.clean, walk.eps, walk.goal, walk.indices, walk.worth, rules)
        sizes = rectangles_in_turn(self.n_queries, best.images, seed=self.seed, stream=first)
        for query, size in enumerate(sizes, start=1):
            done = query - walk.risen > self._patience
            if query > self._trial:
                done |= best.losses[walk.rows] < walk.worth
            if self.early_stop:
                done |= best.fallen[walk.rows]
            if not walk.drop(done):
                break
            here = best.images[walk.rows]
            points = self._propose(here, walk, query, size, first + query)
            (moved,) = (points != here).flatten(1).any(dim=1).nonzero(as_tuple=True)
            if not len(moved):
                continue
            rows = walk.rows[moved]
            candidates, ties = self._judge(asked, rows, points[moved], walk.goal[moved])
            walk.risen[moved[candidates.losses > best.losses[rows] + ties]] = query
            asked.settle(improve(best, rows, candidates, ties if self.norm == "Linf" else None))
        return best

    def _propose(self, here: Tensor, walk: _Search, query: int, size: Tensor, stream: int) -> Tensor:
        """Points (S, C, H, W) near the best ones."""
        draws = {"seed": self.seed, "stream": stream}
        if self.norm == "Linf":
            move = compiled_linf_move if compiles_for(here) else mixed_linf_move
            return move(here, walk.clean, walk.eps, walk.indices, size, **draws)
        queries = query - 1, self.n_queries  # the start is no proposal
        return mixed_window_move(here, walk.clean, walk.eps, self.norm, walk.indices, queries, **draws)

    def _judge(self, asked: Nearby, rows: Tensor, points: Tensor, goal: Goal) -> tuple[Candidates, Tensor]:
        """Points (S, C, H, W) of samples `rows` (S,), and the differences (S,) between losses that rounding makes."""
        logits, followed = asked.ask(rows, points)
        doubtful = goal.reached(checked_logits(logits, goal.classes)) & followed
        if doubtful.any():
            logits[doubtful] = asked.ask_whole(points[doubtful])
        return with_ties(points, logits, goal)
