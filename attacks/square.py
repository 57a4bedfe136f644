"""The Square attack."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sparsefront.attacks.parts.bounded import Bounded
from sparsefront.attacks.parts.candidates import Candidates, best_of_attempts, improve
from sparsefront.attacks.parts.losses import Goal, Loss
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.squares import first_points, moved_square, square_side
from sparsefront.attacks.parts.walk import Walk, all_rows
from sparsefront.common.noise import uniform
from sparsefront.common.rules import at_least, check_rules, settings_of, unit_interval


@dataclass
class _Search(Walk):
    """Samples that are searched for: their images, radii, goal and numbers."""

    clean: Tensor
    eps: Tensor
    goal: Goal
    indices: Tensor


@dataclass(frozen=True)
class Square(Bounded):
    """Random search over squares that raise the loss, by logits alone (Andriushchenko et al. 2020).

    Each query changes one square at a random place, all by +-eps (`Linf`) or by a window of fixed shape that takes over
    another window's budget (`L2`; `L1` as in Croce and Hein 2021), and is kept where the loss rises. Squares reach the
    last row and column, which the published code's never do. A sample that is wrong already is returned as it is, one
    that no query fools at its highest loss.

    Args:
        eps: radius of the ball in [0, 1] pixel units; `8/255` is read.
        norm: of the ball.
        relative: `eps` is a multiple of each image's own norm.
        loss: `cw` (margin), `ce` (cross entropy) or `dlr` (difference of logits ratio).
        targeted: labels are the classes aimed at.
        eot_iter: passes through a randomised model that are averaged into one answer.
        n_queries: images that the model is asked about, a sample and restart.
        p_init: share of the image that the first squares cover; it shrinks by a fixed schedule over the queries.
        n_restarts: searches a sample; only samples still standing get another one.
        early_stop: ask no more about a sample that has fallen. Wrong for a surrogate.
        seed: of the squares, which depend on (seed, sample, restart, query) alone.

    Raises:
        ValueError: a setting out of range.
    """

    knowledge: ClassVar[str | None] = "black_box"

    loss: Loss = "cw"
    n_queries: int = 5000
    p_init: float = 0.8
    n_restarts: int = 1
    early_stop: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = settings_of(self, "n_queries", "n_restarts")
        check_rules([*at_least(1, **counts), *unit_interval("it is a share of the image", p_init=self.p_init)])

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Search from every start, sample by sample keeping the best."""
        goal = self.goal(labels)

        def attempt(restart: int, rows: Tensor) -> Candidates:
            return self._search(model, images[rows], goal[rows], indices[rows], restart)

        fallen = self.score(model, images, goal).fallen if self.early_stop else None
        return best_of_attempts(attempt, images, self.n_restarts, self.early_stop, fallen)

    def _search(self, model: Model, images: Tensor, goal: Goal, indices: Tensor, restart: int) -> Candidates:
        """One restart."""
        eps = self.radii(images)
        first = restart * self.n_queries
        start = first_points(images, eps, self.norm, indices, seed=self.seed, stream=first)
        best = self.score(model, start, goal)
        walk = _Search(all_rows(images), images, eps, goal, indices)
        for query in range(1, self.n_queries):
            if self.early_stop and not walk.drop(best.fallen[walk.rows]):
                break
            here = best.images[walk.rows]
            side = square_side(query - 1, self.n_queries, self.p_init, images, self.norm)  # the start is no square
            draws = uniform(walk.indices, torch.Size([5 + images.shape[1]]), seed=self.seed, stream=first + query)
            points = moved_square(here, walk.clean, walk.eps, self.norm, side, draws)
            improve(best, walk.rows, self.score(model, points, walk.goal))
        return best
