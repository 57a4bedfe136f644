"""The Square attack."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sparsefront.attacks.parts.balls import confine
from sparsefront.attacks.parts.bounded import Bounded
from sparsefront.attacks.parts.candidates import Candidates, best_of_attempts, improve
from sparsefront.attacks.parts.losses import Goal, Loss
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import perturbation_norm
from sparsefront.attacks.parts.walk import Walk, all_rows
from sparsefront.attacks.parts.windows import cut_windows, random_places, square_mask, unit_windows, window_shape
from sparsefront.common.noise import uniform
from sparsefront.common.rules import at_least, check_rules, settings_of, unit_interval

# Queries of 10,000 after which the squares' share of the image is halved once more (the paper's section 4).
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


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
        final, goal = images.clone(), self.goal(labels)
        active = all_rows(images)
        if self.early_stop:
            active = active[~self.score(model, images, goal).fallen]
        images = images[active]
        goal = goal[active]
        indices = indices[active]

        def attempt(restart: int, rows: Tensor) -> Candidates:
            return self._search(model, images[rows], goal[rows], indices[rows], restart)

        if len(active):
            final[active] = best_of_attempts(attempt, images, self.n_restarts, self.early_stop)
        return final

    def _search(self, model: Model, images: Tensor, goal: Goal, indices: Tensor, restart: int) -> Candidates:
        """One restart."""
        eps = self.radii(images)
        first = restart * self.n_queries
        best = self.score(model, self._start(images, eps, indices, first), goal)
        walk = _Search(all_rows(images), images, eps, goal, indices)
        for query in range(1, self.n_queries):
            if self.early_stop and not walk.drop(best.fallen[walk.rows]):
                break
            here = best.images[walk.rows]
            points = self._propose(here, walk.clean, walk.eps, walk.indices, query, first + query)
            improve(best, walk.rows, self.score(model, points, walk.goal))
        return best

    def _side(self, query: int, images: Tensor) -> int:
        """Side of the square of one query, in pixels."""
        height, width = images.shape[2:]
        area = self.p_init / 2 ** sum(query / self.n_queries * 10000 > limit for limit in HALVINGS)
        side = max(round((area * height * width) ** 0.5), 1)
        if self.norm != "Linf":
            side = max(side, 3) | 1  # windows have a middle
        clipped: int = min(side, height, width)
        return clipped

    def _start(self, images: Tensor, eps: Tensor, indices: Tensor, stream: int) -> Tensor:
        """Vertical stripes of +-eps for Linf, a tiling by windows of random signs for L2 and L1."""
        count, channels, height, width = images.shape
        if self.norm == "Linf":
            signs = _signs(uniform(indices, torch.Size([channels, 1, width]), seed=self.seed, stream=stream)).to(images)
            return confine(images + eps[:, None, None, None] * signs, images, eps, self.norm)
        side = max(min(height, width) // 5, 1)
        rows, columns = height // side, width // side
        draws = uniform(indices, torch.Size([rows, columns, channels + 1]), seed=self.seed, stream=stream)
        shapes = window_shape(side, self.norm, images)
        turned = (draws[..., -1] < 0.5)[..., None, None, None]
        tiles = torch.where(turned, shapes.T, shapes) * _signs(draws[..., :-1])[..., None, None].to(images)
        tiled = tiles.permute(0, 3, 1, 4, 2, 5).reshape(count, channels, rows * side, columns * side)
        delta = torch.zeros_like(images)
        top, left = (height - rows * side) // 2, (width - columns * side) // 2
        delta[:, :, top : top + rows * side, left : left + columns * side] = tiled
        return self._within(delta, images, eps)

    def _propose(self, best: Tensor, images: Tensor, eps: Tensor, indices: Tensor, query: int, stream: int) -> Tensor:
        """Images (B, C, H, W) that differ from the best ones in one square, or in two windows."""
        side, channels = self._side(query - 1, images), images.shape[1]  # the start is no square
        draws = uniform(indices, torch.Size([5 + channels]), seed=self.seed, stream=stream)
        signs = _signs(draws[:, 5:])[..., None, None].to(images)
        rows, columns = random_places(draws[:, 0], draws[:, 1], side, images)
        inside = square_mask(rows, columns, images)
        if self.norm == "Linf":
            moved = (images + eps[:, None, None, None] * signs).clamp(0, 1)
            return torch.where(inside, moved, best)
        delta = best - images
        order = 2 if self.norm == "L2" else 1
        other = square_mask(*random_places(draws[:, 2], draws[:, 3], side, images), images)
        here = cut_windows(delta, rows, columns)
        shape = window_shape(side, self.norm, images)
        shape = torch.where((draws[:, 4] < 0.5)[:, None, None, None], shape.T, shape)
        fresh = unit_windows(shape * signs + unit_windows(here, order), order)
        budget = (delta * (inside | other)).flatten(2).norm(order, dim=2) ** order
        spare = (eps**order - delta.flatten(1).norm(order, dim=1) ** order).clamp_min(0)
        lengths = (budget + spare[:, None] / channels) ** (1 / order)
        if self.norm == "L1":
            lengths = lengths * channels  # more than there is: the projection then keeps the peaks alone
        delta = delta.masked_fill(other, 0)
        batch = torch.arange(len(delta), device=delta.device)[:, None, None, None]
        channel = torch.arange(channels, device=delta.device)[None, :, None, None]
        delta[batch, channel, rows[:, None, :, None], columns[:, None, None, :]] = fresh * lengths[..., None, None]
        return self._within(delta, images, eps)

    def _within(self, delta: Tensor, images: Tensor, eps: Tensor) -> Tensor:
        """Images of the box that spend the whole budget along `delta`, as far as clipping lets them."""
        if self.norm == "L2":
            delta = delta * (eps / perturbation_norm(delta, "L2").clamp_min(1e-12))[:, None, None, None]
        return confine(images + delta, images, eps, self.norm)


def _signs(draws: Tensor) -> Tensor:
    return torch.where(draws < 0.5, -1.0, 1.0)
