"""The bilateral filter: means over near pixels of near colours."""

from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsefront.common.rules import check_rules, integers, one_of, positive
from sparsefront.frontends.parts.shifts import Offset, half_window, odd_within_mirror, pairs, shifted_mean

Window = Literal["disc", "square"]
Distance = Literal["l1", "l2"]


def bilateral_filter(
    images: Tensor,
    diameter: int,
    sigma_color: float,
    sigma_space: float,
    window: Window = "disc",
    distance: Distance = "l1",
) -> Tensor:
    """Filter (B, C, H, W) images as `Bilateral` does; differentiable once, memory independent of the window."""
    working = images.to(torch.promote_types(images.dtype, torch.float32))
    radius = diameter // 2
    weigh = partial(_weights, sigma_color=sigma_color, sigma_space=sigma_space, distance=distance)
    padded = F.pad(working, (radius,) * 4, mode="reflect")
    filtered = shifted_mean(padded, padded, half_window(radius, disc=window == "disc"), weigh)
    return filtered[:, :, radius : radius + images.shape[2], radius : radius + images.shape[3]].to(images.dtype)


def _weights(padded: Tensor, offset: Offset, sigma_color: float, sigma_space: float, distance: Distance) -> Tensor:
    here, there = pairs(padded, offset)
    change = here - there
    squared = (
        change.abs().sum(dim=1, keepdim=True).square()
        if distance == "l1"
        else (change.square().sum(dim=1, keepdim=True))
    )
    far = (offset[0] ** 2 + offset[1] ** 2) / (2 * sigma_space**2)
    return squared.mul_(-1 / (2 * sigma_color**2)).sub_(far).exp_()


def check_bilateral(
    image_shape: tuple[int, int, int],
    diameter: int,
    sigma_color: float,
    sigma_space: float,
    window: Window = "disc",
    distance: Distance = "l1",
) -> None:
    """Raise a ValueError unless a filter of these settings fits the images."""
    rules = [
        *integers(diameter=diameter),
        *odd_within_mirror(image_shape, diameter=diameter),
        *positive("write it in [0, 1] pixel units", sigma_color=sigma_color),
        *positive("it is in pixels", sigma_space=sigma_space),
        *one_of(get_args(Window), window=window),
        *one_of(get_args(Distance), distance=distance),
    ]
    check_rules(rules)
