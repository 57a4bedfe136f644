"""Atoms that a dictionary has no use for, and the signals that it has no atoms for."""

from collections.abc import Callable

import torch
from torch import Tensor

# Cosine from which two atoms are one.
_SAME = 0.999


def dead_atoms(dictionary: Tensor, usage: Tensor, signed: bool) -> Tensor:
    """Which atoms no code used, or lie within 2.5 degrees of one that was used more.

    Args:
        dictionary: (m, K) with unit-norm columns.
        usage: (K,), sum of s_j^2.
        signed: whether coefficients may be negative, so that an atom and its negative are one.

    Returns:
        Bool (K,).
    """
    cosines = dictionary.T @ dictionary
    if signed:
        cosines = cosines.abs()
    order = torch.arange(len(usage), device=usage.device)
    more, as_much = usage[None, :] > usage[:, None], usage[None, :] == usage[:, None]
    better = more | (as_much & (order[None, :] < order[:, None]))
    return (usage == 0) | ((cosines > _SAME) & better).any(dim=1)


def worst_signals(signals: Tensor, errors: Tensor, number: int, reduce: Callable[[Tensor], Tensor]) -> Tensor:
    """The `number` signals of the largest errors among those of all processes, the same on each of them.

    Found through sums alone: processes agree on the largest errors eight bits at a time, by counting theirs, and then
    each adds its signals of these errors into their places.

    Args:
        signals: (N, m), this process's; N may differ.
        errors: (N,), at least 0.
        number: of signals, the same on all processes.
        reduce: sums a tensor over the processes, which call this together.

    Returns:
        (n, m) worst first, n <= `number`; fewer if there are not as many, or if some share one error.
    """
    own = errors.float().topk(min(number, len(errors)))  # none but these can be among the worst of all
    bits = own.values.view(torch.int32).long()  # floats that are not negative sort as their bits do
    place = torch.arange(number, device=errors.device)  # of an error among those that begin with the same bits
    known = torch.zeros_like(place)
    there = torch.ones_like(place, dtype=torch.bool)
    for shift in (24, 16, 8, 0):
        begins = (bits >> (shift + 8))[None, :] == known[:, None]
        digits = ((bits >> shift) & 255).expand(number, -1)
        counts = reduce(signals.new_zeros(number, 256).scatter_add_(1, digits, begins.to(signals.dtype)))
        larger = counts.flip(1).cumsum(1).flip(1) - counts  # by the next eight bits
        fits = (larger <= place[:, None]) & (place[:, None] < larger + counts)
        digit = fits.long().argmax(dim=1, keepdim=True)
        there &= fits.any(dim=1)
        place = place - larger.gather(1, digit)[:, 0].long()
        known = known << 8 | digit[:, 0]
    holds = (bits[None, :] == known[:, None]).to(signals.dtype)
    sums = reduce(torch.cat([holds @ signals[own.indices], holds.sum(dim=1, keepdim=True)], dim=1))
    return sums[there & (place == 0), :-1] / sums[there & (place == 0), -1:]


def replace_atoms(dictionary: Tensor, dead: Tensor, signals: Tensor) -> Tensor:
    """Give dead atoms the directions of signals (n, m) that are not zero, as far as these go.

    Args:
        dictionary: (m, K); written to.
        dead: bool (K,).
        signals: (n, m).

    Returns:
        The indices of the atoms replaced.
    """
    norms = signals.norm(dim=1)
    signals = signals[norms > 0] / norms[norms > 0, None]
    replaced = dead.nonzero().flatten()[: len(signals)]
    dictionary[:, replaced] = signals[: len(replaced)].T
    return replaced
