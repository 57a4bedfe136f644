"""Adversarial images as a model judges them, and the best of several."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Candidates(NamedTuple):
    """Adversarial images of B samples, as the model judges them.

    Attributes:
        images: (B, C, H, W).
        losses: (B,) floating, larger where the adversary is nearer to its aim.
        fallen: (B,) bool, whether the image fools the model.
    """

    images: Tensor
    losses: Tensor
    fallen: Tensor


def best_of_attempts(
    attempt: Callable[[int, Tensor], Candidates],
    images: Tensor,
    n_attempts: int,
    early_stop: bool,
    fallen: Tensor | None = None,
) -> Tensor:
    """The best images of several attempts, sample by sample.

    That is the image of highest loss among those that fool the model or, if none does, among all. A high loss matters
    even where the model is fooled, if that is a surrogate; `early_stop` takes the first that fools.

    Args:
        attempt: (its number, the samples (S,) to attack) -> candidates for these.
        images: (B, C, H, W), the clean ones.
        n_attempts: at most so many.
        early_stop: attempt again only samples still standing.
        fallen: (B,) bool, samples whose clean images fool the model: with `early_stop` they stay as they are.
    """
    lowest = images.new_full((len(images),), -torch.inf)
    fallen = torch.zeros_like(lowest, dtype=torch.bool) if fallen is None else fallen.clone()
    best = Candidates(images.clone(), lowest, fallen)
    for trial in range(n_attempts):
        standing = (~best.fallen if early_stop else torch.ones_like(best.fallen)).nonzero().squeeze(1)
        if not len(standing):
            break
        improve(best, standing, attempt(trial, standing))
    return best.images


def improve(best: Candidates, rows: Tensor, candidates: Candidates, ties: Tensor | None = None) -> Tensor:
    """Replace what is worse among the best of B samples, in place.

    A candidate that fools the model is better than one that does not; of two alike, the one of higher loss.

    Args:
        best: of all B samples so far.
        rows: (S,) int64, the samples that there are candidates for.
        candidates: of these S samples.
        ties: (S,) how far below the best a loss may lie for its candidate to be taken, too; absent: equal ones are not.
            The loss to compare with stays the highest.

    Returns:
        (S,) bool, whose candidates were taken.
    """
    fallen, losses = best.fallen[rows], best.losses[rows]
    higher = candidates.losses > losses if ties is None else candidates.losses >= losses - ties
    better = (candidates.fallen & ~fallen) | ((candidates.fallen == fallen) & higher)
    if ties is not None:
        highest = torch.where(candidates.fallen == fallen, torch.maximum(candidates.losses, losses), candidates.losses)
        candidates = candidates._replace(losses=highest)
    for kept, new in zip(best, candidates, strict=True):
        kept[rows[better]] = new[better]
    return better
