"""Proposals of several kinds, by which a random search in a ball leaves the plateaus of a quantiser."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsefront.attacks.parts.norms import Norm
from sparsefront.attacks.parts.squares import moved_square, random_signs, spending_all, square_side
from sparsefront.attacks.parts.windows import random_places, rectangle_mask, square_mask
from sparsefront.common.noise import key_of, uniform

# Chosen by trial on quantised digits.
SCATTERED, RESETS = 0.2, 0.05  # of the Linf proposals
PIXELS = 0.05  # of the queries
OFF_SCHEDULE = 0.5  # of the queries have a size of their own
LONGEST = 0.36  # of the image's shorter side, of those
WINDOW_RESETS = 0.1  # of the L2 and L1 proposals
P_INIT = 0.8  # share of the image that the first squares cover (Andriushchenko et al. 2020)
_AT_ONCE = 200  # sizes that are drawn
FOR_ALL = -1  # no sample's number: of draws that all samples share


def mixed_linf_move(
    best: Tensor, images: Tensor, eps: Tensor, indices: Tensor, size: Tensor, *, seed: int, stream: int
) -> Tensor:
    """One proposal a sample: a rectangle of the best point is moved within +-eps of the image.

    Mostly by one sign a channel (Andriushchenko et al. 2020); ours: by a sign for each pixel, or back to the image.

    Args:
        best: (B, C, H, W) inside the balls.
        images: (B, C, H, W), the centres.
        eps: (B,) the radii.
        indices: (B,) int64, the samples' numbers.
        size: (2,) int64, height and width of the rectangles.
        seed: of the draws, which depend on (seed, sample, stream) alone.
        stream: which of the proposals.

    Returns:
        (B, C, H, W) images in the balls.
    """
    channels = images.shape[1]
    tall, wide = size.tolist()
    few = 3 + channels
    draws = uniform(indices, torch.Size([few]), seed=seed, stream=stream)
    top = (draws[:, 0] * (images.shape[2] - tall + 1)).long()
    left = (draws[:, 1] * (images.shape[3] - wide + 1)).long()
    windows = torch.stack([top, left, torch.full_like(top, tall), torch.full_like(top, wide)], dim=1)
    kinds = draws[:, 2]
    signs = random_signs(draws[:, 3:]).to(images)[..., None, None].expand_as(images).clone()
    (scattered,) = (kinds < SCATTERED).nonzero(as_tuple=True)
    if len(scattered):
        more = uniform(indices[scattered], torch.Size([few + images[0].numel()]), seed=seed, stream=stream)
        signs[scattered] = random_signs(more[:, few:]).to(images).view_as(images[scattered])
    moved = (images + eps[:, None, None, None] * signs).clamp(0, 1)
    moved = torch.where((kinds >= 1 - RESETS).view(-1, 1, 1, 1), images, moved)
    return torch.where(rectangle_mask(windows, images), moved, best)


def compiled_linf_move(
    best: Tensor, images: Tensor, eps: Tensor, indices: Tensor, size: Tensor, *, seed: int, stream: int
) -> Tensor:
    """The same, sooner: all on the processor and floating tensors all in single or all in double precision."""
    from sparsefront.common.changes import kernel  # Numba, which an import must not load

    points = best.clone(memory_format=torch.contiguous_format)
    given = (tensor.contiguous().numpy() for tensor in (images, eps, indices))  # or another kernel is compiled
    kernel.move_points(points.numpy(), 0, size.numpy(), compiled_moves(seed, stream), *given)
    return points


def compiled_moves(seed: int, stream: int) -> tuple[Any, ...]:
    """What the kernel is told of these moves: the key of the draws, their first stream, and the shares."""
    return np.uint64(key_of(seed)), stream, np.float32(SCATTERED), np.float32(RESETS)


def mixed_window_move(
    best: Tensor,
    images: Tensor,
    eps: Tensor,
    norm: Norm,
    indices: Tensor,
    queries: tuple[int, int],
    *,
    seed: int,
    stream: int,
) -> Tensor:
    """Likewise for L2 and L1: a window takes over another one's budget, or a square's goes to all that is left."""
    channels = images.shape[1]
    side = square_side(*queries, P_INIT, images, norm)
    draws = uniform(indices, torch.Size([6 + channels]), seed=seed, stream=stream)
    moved = moved_square(best, images, eps, norm, side, draws[:, 1:])
    square = square_mask(*random_places(draws[:, 1], draws[:, 2], side, images), images)
    emptied = spending_all((best - images).masked_fill(square, 0), images, eps, norm)
    return torch.where((draws[:, 0] < WINDOW_RESETS)[:, None, None, None], emptied, moved)


def rectangles_of(queries: Tensor, n_queries: int, images: Tensor, *, seed: int, streams: Tensor) -> Tensor:
    """Height and width (Q, 2) of the rectangles of Linf queries, up to twice as long one way as a square of their area.

    Some follow the schedule; the sizes of the others are spread evenly over the orders of magnitude. They are the same
    for all samples of a query.

    Args:
        queries: (Q,) int64, numbers of the queries, from 0.
        n_queries: how many there are, by which rectangles shrink.
        images: (B, C, H, W), for their size.
        seed: of the draws.
        streams: (Q,) int64, which of them are each query's.
    """
    sides = torch.tensor(images.shape[2:])
    draws = uniform(torch.full_like(queries, FOR_ALL), torch.Size([6]), seed=seed, stream=streams).double()
    scheduled = [square_side(query, n_queries, P_INIT, images, "Linf") for query in queries.tolist()]
    longest = max(LONGEST * int(sides.min()), 1)
    size = torch.where(draws[:, 1] < OFF_SCHEDULE, longest ** draws[:, 2], torch.tensor(scheduled).double())
    stretch = 2 ** (2 * draws[:, 3] - 1)
    drawn = torch.stack([size * stretch + draws[:, 4], size / stretch + draws[:, 5]], dim=1).long()
    return torch.where(draws[:, :1] < PIXELS, 1, drawn.clamp_min(1).minimum(sides))


def rectangles_in_turn(n_queries: int, images: Tensor, *, seed: int, stream: int) -> Iterator[Tensor]:
    """Heights and widths (2,) of rectangles as `rectangles_of` has them, one query of a walk after the other.

    Args:
        n_queries: of the walk; the first begins it and has no rectangle.
        images: (B, C, H, W), for their size.
        seed: of the draws.
        stream: the first query's; each has the next one.
    """
    for begin in range(1, n_queries, _AT_ONCE):
        queries = torch.arange(begin, min(begin + _AT_ONCE, n_queries))
        yield from rectangles_of(queries - 1, n_queries, images, seed=seed, streams=stream + queries)
