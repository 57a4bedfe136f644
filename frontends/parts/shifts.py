"""Weighted means over a window by shifting the image, one offset at a time."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparsefront.common.rules import Rule

Offset = tuple[int, int]
Weigh = Callable[[Tensor, Offset], Tensor]

# Bytes of images for each thread of a CPU to work on at once, with what it computes from them.
_CACHE = 2**20


def half_window(radius: int, *, disc: bool = False) -> Iterator[Offset]:
    """The (rows, columns) from one pixel to half of its window; the other half is the same with the signs turned.

    Args:
        radius: of the square window, (2 radius + 1)^2 pixels with the centre, which is left out.
        disc: keep only offsets no longer than `radius`.
    """
    for rows in range(radius + 1):
        for columns in range(-radius, radius + 1):
            if (rows or columns > 0) and (not disc or rows**2 + columns**2 <= radius**2):
                yield rows, columns


def odd_within_mirror(image_shape: tuple[int, int, int], **sizes: int) -> list[Rule]:
    """The rules that each of the window sizes named is odd, and that its mirrored border fits the images."""
    most = 2 * min(image_shape[1:]) - 1
    return [
        (
            size % 2 == 1 and 1 <= size <= most,
            f"`{name}` must be odd and from 1 to {most} for images of {image_shape[1:]} pixels, whose border is "
            f"mirrored, found {size}.",
        )
        for name, size in sizes.items()
    ]


def pairs(source: Tensor, offset: Offset) -> tuple[Tensor, Tensor]:
    """Two views of (B, C, H, W), the pixels p and p + `offset`, wherever both exist."""
    return _view(source, offset, here=True), _view(source, offset, here=False)


def _view(source: Tensor, offset: Offset, *, here: bool) -> Tensor:
    """The part of (B, C, H, W) that keeps within it when moved by `offset`, before (`here`) or after the move."""
    rows, columns = offset if here else (-offset[0], -offset[1])
    height, width = source.shape[2:]
    return source[:, :, max(-rows, 0) : height - max(rows, 0), max(-columns, 0) : width - max(columns, 0)]


def shifted_mean(source: Tensor, guide: Tensor, offsets: Iterable[Offset], weigh: Weigh) -> Tensor:
    """The mean over q of w(p, q) x(q): q = p with weight 1, and q = p + o and p - o for every offset o.

    Weights are symmetric, so that each is computed for two pixels at once. Pixels outside (B, C, H, W) `source` are
    left out: pad it before, and cut the result, where they are meant to count.

    Memory does not grow with the number of offsets, the backward pass's neither: that one weighs anew.

    Args:
        source: x (B, C, H, W).
        guide: what weights are computed from; may be the source itself.
        offsets: half of the window, see `half_window`.
        weigh: (guide, offset) -> the weights (B, 1, h, w) of the pixels that `pairs(source, offset)` returns.

    Returns:
        (B, C, H, W), once differentiable.
    """
    height, width = source.shape[2:]
    fitting = [offset for offset in offsets if offset[0] < height and abs(offset[1]) < width]
    # Every offset passes over the images anew, several times faster if they are still in the cache.
    each = max(source[:1].numel() * source.element_size(), 1)
    at_once = _CACHE * torch.get_num_threads() // each if source.device.type == "cpu" else len(source)
    at_once, means = max(at_once, 1), []
    for run, run_guide in zip(source.split(at_once), guide.split(at_once), strict=True):
        sums, weights = _Sums.apply(run, run_guide, fitting, weigh)
        means.append((run + sums) / (1 + weights))
    return torch.cat(means)


class _Sums(torch.autograd.Function):
    """Forward: the sums of weighted pixels and of weights. Backward: offset by offset, each weighed a second time."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, guide: Tensor, offsets: list[Offset], weigh: Weigh) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(source, guide)
        ctx.offsets, ctx.weigh = offsets, weigh
        sums, weights = torch.zeros_like(source), torch.zeros_like(source[:, :1])
        for offset in offsets:
            weight = weigh(guide, offset)
            (x_here, x_there), (s_here, s_there) = pairs(source, offset), pairs(sums, offset)
            s_here.addcmul_(weight, x_there)
            s_there.addcmul_(weight, x_here)
            for part in pairs(weights, offset):
                part.add_(weight)
        return sums, weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_sums: Tensor, grad_weights: Tensor) -> tuple[Tensor, Tensor, None, None]:
        source, guide = ctx.saved_tensors
        grad_source, grad_guide = torch.zeros_like(source), torch.zeros_like(guide)
        for offset in ctx.offsets:
            # Of the sum over pairs of w (g_here x_there + g_there x_here) + w (v_here + v_there), by the product rule.
            (g_here, g_there), (v_here, v_there) = pairs(grad_sums, offset), pairs(grad_weights, offset)
            x_here, x_there = pairs(source, offset)
            slope = (g_here * x_there).addcmul_(g_there, x_here).sum(dim=1, keepdim=True).add_(v_here).add_(v_there)
            with torch.enable_grad():
                leaf = guide.detach().requires_grad_()
                weight = ctx.weigh(leaf, offset)
                grad_guide += torch.autograd.grad(weight, leaf, slope)[0]
            weight = weight.detach()
            s_here, s_there = pairs(grad_source, offset)
            s_there.addcmul_(weight, g_here)
            s_here.addcmul_(weight, g_there)
        return grad_source, grad_guide, None, None
