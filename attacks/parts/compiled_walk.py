"""A random search by rectangles whose every query is compiled."""

from typing import NamedTuple

import torch
from torch import Tensor

from sparsefront.attacks.parts.candidates import Candidates, improve
from sparsefront.attacks.parts.crossing import RESOLUTION, with_ties
from sparsefront.attacks.parts.losses import Goal
from sparsefront.attacks.parts.mixed_moves import compiled_moves, rectangles_of
from sparsefront.attacks.parts.nearby import Nearby
from sparsefront.attacks.parts.queries import checked_logits


class CompiledRules(NamedTuple):
    """When a walk ends, and where its draws come from.

    Attributes:
        n_queries: at most.
        patience: queries without a rise after which a sample's walk ends.
        trial: queries after which it must have reached what it is worth going on for.
        seed: of the draws.
        stream: their first.
    """

    n_queries: int
    patience: int
    trial: float
    seed: int
    stream: int


def compiled_walk(
    asked: Nearby,
    best: Candidates,
    clean: Tensor,
    eps: Tensor,
    goal: Goal,
    indices: Tensor,
    worth: Tensor,
    rules: CompiledRules,
) -> Candidates:
    """The best of one walk by `mixed_linf_move`, ties taken: the same as query by query, but for rounding.

    Args:
        asked: with `compiled`, which keeps the images of `best`.
        best: of S samples, where the walk begins; changed in place.
        clean: (S, C, H, W) the centres of the balls.
        eps: (S,) their radii.
        goal: whose loss is the margin, without `labels`.
        indices: (S,) int64, the samples' numbers.
        worth: (S,) the loss that makes a walk worth going on, see `CompiledRules.trial`.
        rules: of the walk.
    """
    answers = asked.compiled
    count, points = len(clean), torch.zeros_like(answers.images)
    queries, risen, counts = torch.ones(count, dtype=torch.int64), torch.zeros_like(indices), torch.zeros_like(indices)
    given = (tensor.contiguous() for tensor in (clean, eps, indices, goal.classes))  # or another kernel is compiled
    walk = tuple(tensor.numpy() for tensor in (*given, best.losses, worth, risen, queries, counts))
    resolution = best.losses.numpy().dtype.type(RESOLUTION * torch.finfo(best.losses.dtype).eps)
    moves = compiled_moves(rules.seed, rules.stream)
    until = rules.patience, rules.trial, resolution, goal.targeted
    (standing,) = (~best.fallen).nonzero(as_tuple=True)
    for begin in range(1, rules.n_queries, answers.ANEW):
        if not len(standing):
            break
        spanned = torch.arange(begin, min(begin + answers.ANEW, rules.n_queries))
        streams = rules.stream + spanned
        sizes = rectangles_of(spanned - 1, rules.n_queries, clean, seed=rules.seed, streams=streams)
        on = standing
        ended = torch.zeros(count, dtype=torch.bool)
        while len(on):
            became = answers.search(on, begin, sizes, points, moves, until, walk)
            ended[on[became == answers.ENDED]] = True
            on = on[became == answers.UNJUDGED]
            if len(on):
                _judge(asked, best, on, points[on], goal[on], risen, queries)
                on = on[~best.fallen[on]]
        standing = standing[~ended[standing] & ~best.fallen[standing]]
        if len(standing):
            answers.take(standing)
    best.images[~best.fallen] = answers.images[~best.fallen]
    return best


def _judge(
    asked: Nearby, best: Candidates, rows: Tensor, points: Tensor, goal: Goal, risen: Tensor, queries: Tensor
) -> None:
    """Ask the model itself about points (S, C, H, W) of samples, and take those that are no worse."""
    logits = checked_logits(asked.ask_whole(points), goal.classes)
    candidates, ties = with_ties(points, logits, goal)
    rose = candidates.losses > best.losses[rows] + ties
    risen[rows[rose]] = queries[rows[rose]] - 1
    taken = improve(best, rows, candidates, ties)
    if taken.any():
        asked.compiled.take(rows[taken], points[taken])
