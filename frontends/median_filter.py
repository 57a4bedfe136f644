"""The median of each pixel's neighbours (Xu et al. 2018)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sparsefront.common.rules import check_rules, fitting
from sparsefront.frontends.base import FrontEnd
from sparsefront.frontends.parts.filters import pad_symmetric, window

Chooser = Callable[[Tensor, Tensor], Tensor]


class MedianFilter(FrontEnd):
    """Each pixel becomes the median of the k x k pixels around it, channel by channel.

    The window covers shifts from -floor(k/2) to ceil(k/2) - 1; of an even number of values the upper of the two middle
    ones is the median. Borders are mirrored, edge pixels included. All three are SciPy's `median_filter` and those of
    Xu et al. 2018 ("Feature squeezing", section III.B: local smoothing).

    Backward modes: `exact`, the default: a pixel's gradient goes to the neighbour that was the median, in equal shares
    where several are; `identity`.

    Args:
        image_shape: (C, H, W) of the images.
        kernel_size: side k of the window in pixels; 2 is what Xu et al. recommend for all of their data sets.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    def __init__(self, image_shape: tuple[int, int, int], kernel_size: int = 2) -> None:
        super().__init__(image_shape)
        check_rules(fitting(self.image_shape, kernel_size=kernel_size))
        self.kernel_size = kernel_size

    def forward(self, images: Tensor) -> Tensor:
        """Filter (B, C, H, W) images."""
        medians: Tensor = _WindowMedian.apply(pad_symmetric(images, *window(self.kernel_size)), self.kernel_size)
        return medians


class _WindowMedian(torch.autograd.Function):
    """Medians (B, C, H, W) of all k x k windows of images (B, C, H + k - 1, W + k - 1).

    The backward pass looks for the medians anew, so that nothing of k^2 times an image's size is kept.
    """

    @staticmethod
    def forward(ctx: Any, padded: Tensor, size: int) -> Tensor:
        medians = _upper_median(_shifts(padded, size))
        ctx.save_for_backward(padded, medians)
        ctx.size = size
        return medians

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        padded, medians = ctx.saved_tensors
        count = sum((value == medians).to(gradient.dtype) for value in _shifts(padded, ctx.size))
        share = gradient / count
        out = torch.zeros_like(padded)
        for value, place in zip(_shifts(padded, ctx.size), _shifts(out, ctx.size), strict=True):
            place += share * (value == medians)
        return out, None


def _shifts(padded: Tensor, size: int) -> list[Tensor]:
    """The k^2 views (B, C, H, W) of the padded images, one a place in the window."""
    height, width = padded.shape[-2] - size + 1, padded.shape[-1] - size + 1
    return [padded[..., row : row + height, column : column + width] for row in range(size) for column in range(size)]


def _upper_median(values: list[Tensor]) -> Tensor:
    """Elementwise median of n tensors, the upper one of two, by forgetful selection.

    Of any floor(n/2) + 2 of n values, n odd, neither the least nor the greatest is the median: both are dropped, the
    next value takes their place, and what remains has the same median among fewer values.
    """
    if len(values) % 2 == 0:
        values = _without_first(values, torch.minimum, torch.maximum)  # the upper middle one is the rest's median
    waiting = list(values)
    held = [waiting.pop() for _ in range(len(values) // 2 + 1)]
    while len(held) > 1:
        held = _without_extremes([*held, waiting.pop()])
    return held[0].clone()


def _without_extremes(values: list[Tensor]) -> list[Tensor]:
    """Drop the least and the greatest of three or more: sorted in pairs, the least is a lower one."""
    pairs = list(zip(values[::2], values[1::2], strict=False))
    lower, upper = [torch.minimum(*pair) for pair in pairs], [torch.maximum(*pair) for pair in pairs]
    if len(values) % 2:
        first, last = lower[0], values[-1]
        lower[0] = torch.minimum(first, last)
        upper.append(torch.maximum(first, last))
    return [
        *_without_first(lower, torch.minimum, torch.maximum),
        *_without_first(upper, torch.maximum, torch.minimum),
    ]


def _without_first(values: list[Tensor], first: Chooser, other: Chooser) -> list[Tensor]:
    """Drop, elementwise, the value that `first` of any two prefers."""
    best, rest = values[0], []
    for value in values[1:-1]:
        rest.append(other(best, value))
        best = first(best, value)
    return [*rest, other(best, values[-1])] if len(values) > 1 else []
