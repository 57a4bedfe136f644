"""Proposals of several kinds, by which a random search in a ball leaves the plateaus of a quantiser."""

import torch
from torch import Tensor

from sparsefront.attacks.parts.norms import Norm
from sparsefront.attacks.parts.squares import moved_square, random_signs, spending_all, square_side
from sparsefront.attacks.parts.windows import random_places, rectangle_mask, square_mask
from sparsefront.common.noise import uniform

# Chosen by trial on quantised digits.
SCATTERED, RESETS = 0.2, 0.05  # of the Linf proposals
PIXELS = 0.05  # of the queries
OFF_SCHEDULE = 0.5  # of the queries have a size of their own
LONGEST = 0.36  # of the image's shorter side, of those
WINDOW_RESETS = 0.1  # of the L2 and L1 proposals
P_INIT = 0.8  # share of the image that the first squares cover (Andriushchenko et al. 2020)
FOR_ALL = -1  # no sample's number: of draws that all samples share


def mixed_linf_move(
    best: Tensor, images: Tensor, eps: Tensor, indices: Tensor, queries: tuple[int, int], *, seed: int, stream: int
) -> Tensor:
    """One proposal a sample: a rectangle of the best point is moved within +-eps of the image.

    Mostly by one sign a channel (Andriushchenko et al. 2020); ours: by a sign for each pixel, or back to the image.

    Args:
        best: (B, C, H, W) inside the balls.
        images: (B, C, H, W), the centres.
        eps: (B,) the radii.
        indices: (B,) int64, the samples' numbers.
        queries: the number of the query, from 0, and how many there are, by which the rectangles shrink.
        seed: of the draws, which depend on (seed, sample, stream) alone, the rectangles' size on (seed, stream).
        stream: which of the proposals.

    Returns:
        (B, C, H, W) images in the balls.
    """
    channels = images.shape[1]
    tall, wide = rectangle_of(queries, images, seed=seed, stream=stream)
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


def rectangle_of(queries: tuple[int, int], images: Tensor, *, seed: int, stream: int) -> tuple[int, int]:
    """Height and width of one Linf query's rectangles, up to twice as long one way as a square of the same area.

    Some follow the schedule; the sizes of the others are spread evenly over the orders of magnitude. They are
    the same for all samples of a query.
    """
    height, width = images.shape[2:]
    side = square_side(*queries, P_INIT, images, "Linf")
    draws = uniform(torch.tensor([FOR_ALL]), torch.Size([6]), seed=seed, stream=stream).squeeze(0).tolist()
    if draws[0] < PIXELS:
        return 1, 1
    longest = max(LONGEST * min(height, width), 1)
    size = longest ** draws[2] if draws[1] < OFF_SCHEDULE else side
    stretch = 2 ** (2 * draws[3] - 1)
    tall, wide = int(size * stretch + draws[4]), int(size / stretch + draws[5])
    return min(max(tall, 1), height), min(max(wide, 1), width)
