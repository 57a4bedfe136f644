"""The object region of paper 004."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsefront.common.rules import check_rules, one_of
from sparsefront.frontends.parts.components import bounding_box, fill_holes, largest_component

Threshold = Literal["otsu", "mean"]
Shape = Literal["box", "mask"]
Keep = Literal["largest", "all"]


def object_region(
    images: Tensor,
    threshold: Threshold | float = "otsu",
    closing: float = 1 / 12,
    opening: float = 1 / 32,
    keep: Keep = "all",
    shape: Shape = "mask",
) -> Tensor:
    """Find the object of (B, C, H, W) images (paper 004, section IV-C): bool (B, 1, H, W), empty where none is found.

    1. G = max(|G_x| - |G_y|, 0), Sobel gradients of the mean over the channels, the border mirrored: the region "with
       high horizontal gradient and low vertical gradient".
    2. Binarised: G > t, by default with Otsu's t (1979) of each image by itself, from a histogram of 256 bins.
    3. Morphology: closing, which joins what is near, then opening, which clears specks, with squares.
    4. The outline of what remains, its holes filled, or the upright box around it.

    Args:
        images: (B, C, H, W).
        threshold: t: `otsu`, `mean` of the image's G, or a number in [0, 1] pixel units times 4, the filter's weight.
        closing: side of its square as a share of the image's smaller side, rounded to an odd number of pixels.
        opening: likewise; at 1 pixel the step does nothing.
        keep: `all` that remains, or the `largest` component.
        shape: `mask`, or the upright `box` around it.
    """
    gradient = _gradient(images.detach().to(torch.promote_types(images.dtype, torch.float32)))
    mask = ~(gradient <= _threshold(gradient, threshold))  # NaN is object, so that it is coded, and named
    smaller_side = min(images.shape[2:])
    mask = _erode(_dilate(mask, _odd(closing * smaller_side)), _odd(closing * smaller_side))
    mask = _dilate(_erode(mask, _odd(opening * smaller_side)), _odd(opening * smaller_side))
    if keep == "largest":
        mask = largest_component(mask)
    return bounding_box(mask) if shape == "box" else fill_holes(mask)


def check_localisation(threshold: Threshold | float, closing: float, opening: float, keep: Keep) -> None:
    """Raise a ValueError for a setting of `object_region` out of range."""
    number = isinstance(threshold, (int, float))
    rules = [
        (
            threshold in get_args(Threshold) or (number and 0 <= threshold < math.inf),  # type: ignore[operator]
            f"`threshold` must be otsu, mean or a number >= 0, found {threshold!r}.",
        ),
        (0 <= closing < 1, f"`closing` must be a share of the image's side in [0, 1), found {closing:g}."),
        (0 <= opening < 1, f"`opening` must be a share of the image's side in [0, 1), found {opening:g}."),
        *one_of(get_args(Keep), keep=keep),
    ]
    check_rules(rules)


def _gradient(images: Tensor) -> Tensor:
    """|G_x| - |G_y| where positive, (B, 1, H, W); sums of shifts, whose rounding no batch mate can change."""
    gray = F.pad(images.mean(dim=1, keepdim=True), (1, 1, 1, 1), mode="reflect")
    across, down = gray[..., 2:] - gray[..., :-2], gray[..., 2:, :] - gray[..., :-2, :]
    horizontal = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    vertical = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
    return (horizontal.abs() - vertical.abs()).clamp_min(0)


def _threshold(gradient: Tensor, threshold: Threshold | float) -> Tensor | float:
    if threshold == "otsu":
        return otsu(gradient)
    return gradient.mean(dim=(1, 2, 3), keepdim=True) if threshold == "mean" else float(threshold)


def otsu(values: Tensor, bins: int = 256) -> Tensor:
    """Otsu's threshold of each (B, 1, H, W) image by itself, (B, 1, 1, 1): the bin centre that splits its values best.

    Best is the largest n_1 n_2 (m_1 - m_2)^2, n and m the numbers and means of the values in the bins up to the one
    and above it (Otsu 1979), as scikit-image's `threshold_otsu` has it.
    """
    flat = values.flatten(1)
    low, high = flat.amin(dim=1, keepdim=True), flat.amax(dim=1, keepdim=True)
    width = (high - low) / bins
    places = ((flat - low) / width.clamp_min(torch.finfo(flat.dtype).tiny)).long().clamp(0, bins - 1)  # NaN too
    counts = torch.zeros(len(flat), bins, dtype=torch.float64, device=flat.device)
    counts.scatter_add_(1, places, torch.ones_like(flat, dtype=torch.float64))
    centres = low.double() + (torch.arange(bins, device=flat.device) + 0.5) * width.double()
    below, sums = counts.cumsum(dim=1)[:, :-1], (counts * centres).cumsum(dim=1)
    above = counts.sum(dim=1, keepdim=True) - below
    apart = sums[:, :-1] / below.clamp_min(1) - (sums[:, -1:] - sums[:, :-1]) / above.clamp_min(1)
    best = (below * above * apart.square()).argmax(dim=1, keepdim=True)
    return centres.gather(1, best).to(values.dtype)[:, :, None, None]


def _odd(length: float) -> int:
    return 2 * round((length - 1) / 2) + 1 if length > 1 else 1


def _dilate(mask: Tensor, side: int) -> Tensor:
    """Whether any pixel of a square window is set, the window doubled until it is `side` wide."""
    for dim in (2, 3):
        margin = (side // 2, side // 2)
        mask, reach = F.pad(mask, margin if dim == 3 else (0, 0, *margin)), 1
        while reach < side:
            step = min(reach, side - reach)
            length = mask.shape[dim] - step
            mask, reach = mask.narrow(dim, 0, length) | mask.narrow(dim, step, length), reach + step
    return mask


def _erode(mask: Tensor, side: int) -> Tensor:
    """Whether all pixels of a square window are set, as far as it lies within the image."""
    return ~_dilate(~mask, side)
