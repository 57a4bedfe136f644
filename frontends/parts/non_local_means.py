"""Non-local means: means over pixels whose surroundings look alike."""

import math
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsefront.common.rules import check_rules, integers, one_of, positive
from sparsefront.frontends.parts.shifts import Offset, half_window, odd_within_mirror, pairs, shifted_mean

PatchWeights = Literal["uniform", "gaussian"]


def non_local_means(
    images: Tensor,
    patch_size: int,
    search_window: int,
    h: float,
    patch_weights: PatchWeights = "uniform",
) -> Tensor:
    """Smooth (B, C, H, W) images as `NonLocalMeans` does; differentiable once, memory independent of the window."""
    working = images.to(torch.promote_types(images.dtype, torch.float32))
    kernel = _kernel(patch_size, patch_weights)
    scale = 1 / (images.shape[1] * h**2)
    weigh = partial(_weights, kernel=kernel, scale=scale)
    guide = F.pad(working, (patch_size // 2,) * 4, mode="reflect")
    return shifted_mean(working, guide, half_window(search_window // 2), weigh).to(images.dtype)


def _kernel(patch_size: int, patch_weights: PatchWeights) -> list[float]:
    """Weights of a patch's rows, and of its columns, of sum 1."""
    if patch_weights == "uniform":
        return [1 / patch_size] * patch_size
    deviation = max((patch_size - 1) / 4, 0.25)  # a patch of one pixel has no width
    heights = [math.exp(-0.5 * ((place - patch_size // 2) / deviation) ** 2) for place in range(patch_size)]
    return [height / sum(heights) for height in heights]


def _weights(guide: Tensor, offset: Offset, kernel: list[float], scale: float) -> Tensor:
    """exp(-scale ||patch - patch||^2) of the pairs of patches whose centres lie in the image without its margin."""
    here, there = pairs(guide, offset)
    distance = (here - there).square().sum(dim=1, keepdim=True)
    for dim, factor in ((2, scale), (3, 1.0)):
        length, whole = distance.shape[dim] - len(kernel) + 1, distance
        distance = (factor * kernel[0]) * whole.narrow(dim, 0, length)
        for place in range(1, len(kernel)):
            distance.add_(whole.narrow(dim, place, length), alpha=factor * kernel[place])
    return distance.neg_().exp_()


def check_non_local_means(
    image_shape: tuple[int, int, int],
    patch_size: int,
    search_window: int,
    h: float,
    patch_weights: PatchWeights = "uniform",
) -> None:
    """Raise a ValueError unless a filter of these settings fits the images."""
    rules = [
        *integers(patch_size=patch_size, search_window=search_window),
        *odd_within_mirror(image_shape, patch_size=patch_size),
        (
            search_window % 2 == 1 and search_window >= 1,
            f"`search_window` must be odd and at least 1, in pixels, found {search_window}.",
        ),
        *positive("write it in [0, 1] pixel units, 4 gray levels as 4/255", h=h),
        *one_of(get_args(PatchWeights), patch_weights=patch_weights),
    ]
    check_rules(rules)
