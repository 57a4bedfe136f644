"""The proposals of the Square attack (Andriushchenko et al. 2020; in L1, Croce and Hein 2021)."""

import torch
from torch import Tensor

from sparsefront.attacks.parts.balls import confine
from sparsefront.attacks.parts.norms import Norm, perturbation_norm
from sparsefront.attacks.parts.windows import cut_windows, random_places, square_mask, unit_windows, window_shape
from sparsefront.common.noise import uniform

# Queries of 10,000 after which the squares' share of the image is halved once more (the paper's section 4).
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


def square_side(query: int, n_queries: int, p_init: float, images: Tensor, norm: Norm) -> int:
    """Side of one query's square in pixels: the paper's schedule, stretched to `n_queries`.

    Args:
        query: its number, from 0.
        n_queries: of the whole search.
        p_init: share of the image that the first squares cover.
        images: (B, C, H, W), for their size.
        norm: windows of L2 and L1 have a middle, so that their sides are odd, 3 at least.
    """
    height, width = images.shape[2:]
    area = p_init / 2 ** sum(query / n_queries * 10000 > limit for limit in HALVINGS)
    side = max(round((area * height * width) ** 0.5), 1)
    if norm != "Linf":
        side = max(side, 3) | 1
    clipped: int = min(side, height, width)
    return clipped


def first_points(images: Tensor, eps: Tensor, norm: Norm, indices: Tensor, *, seed: int, stream: int) -> Tensor:
    """Vertical stripes of +-eps for Linf, a tiling by windows of random signs for L2 and L1.

    Args:
        images: (B, C, H, W), the centres of the balls.
        eps: (B,) their radii.
        norm: of the balls.
        indices: (B,) int64, the samples' numbers.
        seed: of the signs.
        stream: which of several starts.

    Returns:
        (B, C, H, W) images in the balls.
    """
    count, channels, height, width = images.shape
    if norm == "Linf":
        signs = random_signs(uniform(indices, torch.Size([channels, 1, width]), seed=seed, stream=stream)).to(images)
        return confine(images + eps[:, None, None, None] * signs, images, eps, norm)
    side = max(min(height, width) // 5, 1)
    rows, columns = height // side, width // side
    draws = uniform(indices, torch.Size([rows, columns, channels + 1]), seed=seed, stream=stream)
    shapes = window_shape(side, norm, images)
    turned = (draws[..., -1] < 0.5)[..., None, None, None]
    tiles = torch.where(turned, shapes.T, shapes) * random_signs(draws[..., :-1])[..., None, None].to(images)
    tiled = tiles.permute(0, 3, 1, 4, 2, 5).reshape(count, channels, rows * side, columns * side)
    delta = torch.zeros_like(images)
    top, left = (height - rows * side) // 2, (width - columns * side) // 2
    delta[:, :, top : top + rows * side, left : left + columns * side] = tiled
    return spending_all(delta, images, eps, norm)


def moved_square(best: Tensor, images: Tensor, eps: Tensor, norm: Norm, side: int, draws: Tensor) -> Tensor:
    """Images that differ from the best ones in one square, all by +-eps (Linf), or in two windows (L2, L1).

    A window of fixed shape takes over another window's budget.

    Args:
        best: (B, C, H, W) inside the balls.
        images: (B, C, H, W), the centres.
        eps: (B,) the radii.
        norm: of the balls.
        side: of the square or of the windows, in pixels.
        draws: (B, 5 + C) uniform numbers.
    """
    signs = random_signs(draws[:, 5:])[..., None, None].to(images)
    rows, columns = random_places(draws[:, 0], draws[:, 1], side, images)
    inside = square_mask(rows, columns, images)
    if norm == "Linf":
        moved = (images + eps[:, None, None, None] * signs).clamp(0, 1)
        return torch.where(inside, moved, best)
    delta, channels = best - images, images.shape[1]
    order = 2 if norm == "L2" else 1
    other = square_mask(*random_places(draws[:, 2], draws[:, 3], side, images), images)
    here = cut_windows(delta, rows, columns)
    shape = window_shape(side, norm, images)
    shape = torch.where((draws[:, 4] < 0.5)[:, None, None, None], shape.T, shape)
    fresh = unit_windows(shape * signs + unit_windows(here, order), order)
    budget = (delta * (inside | other)).flatten(2).norm(order, dim=2) ** order
    spare = (eps**order - delta.flatten(1).norm(order, dim=1) ** order).clamp_min(0)
    lengths = (budget + spare[:, None] / channels) ** (1 / order)
    if norm == "L1":
        lengths = lengths * channels  # more than there is: the projection then keeps the peaks alone
    delta = delta.masked_fill(other, 0)
    batch = torch.arange(len(delta), device=delta.device)[:, None, None, None]
    channel = torch.arange(channels, device=delta.device)[None, :, None, None]
    delta[batch, channel, rows[:, None, :, None], columns[:, None, None, :]] = fresh * lengths[..., None, None]
    return spending_all(delta, images, eps, norm)


def spending_all(delta: Tensor, images: Tensor, eps: Tensor, norm: Norm) -> Tensor:
    """Images of the box that spend the whole budget along `delta` (B, C, H, W), as far as clipping lets them."""
    if norm == "L2":
        delta = delta * (eps / perturbation_norm(delta, "L2").clamp_min(1e-12))[:, None, None, None]
    return confine(images + delta, images, eps, norm)


def random_signs(draws: Tensor) -> Tensor:
    """-1 below a half, else 1, of uniform numbers."""
    return torch.where(draws < 0.5, -1.0, 1.0)
