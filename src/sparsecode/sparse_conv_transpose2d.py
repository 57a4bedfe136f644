"""A transposed convolution of codes that are nearly all zero."""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparsecode._native.parallel import over_signals


def sparse_conv_transpose2d(index: Tensor, values: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """`torch.nn.functional.conv_transpose2d` of codes with few nonzeros a position, from these alone. On a CPU.

    The derivative in the codes is that of the given channels; the others are constants. It is differentiable once.

    Args:
        index: (B, h, w, T) int64, the channels that are not zero, each once a position.
        values: (B, h, w, T), their codes, float32 or float64; some may be 0, so that they have a derivative.
        weight: (L, O, k, k), as of `torch.nn.ConvTranspose2d`; sooner in `torch.channels_last`.
        bias: (O,) or None.
        stride: at least 1.

    Returns:
        Maps (B, O, (h - 1) stride + k, (w - 1) stride + k), in `torch.channels_last`.
    """
    maps: Tensor = _SparseConvTranspose2d.apply(index, values, weight, bias, stride)
    return maps


class _SparseConvTranspose2d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, index: Tensor, values: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
        from sparsecode._native.top_codes import spread

        index, values = index.contiguous(), values.contiguous()
        ctx.save_for_backward(index, values, weight)
        ctx.stride = stride
        batch, height, width, _ = index.shape
        sides = ((side - 1) * stride + weight.shape[-1] for side in (height, width))
        maps = values.new_zeros(batch, *sides, weight.shape[1])
        if bias is not None:
            maps += bias.detach()
        arrays = (tensor.numpy() for tensor in (index, values.detach(), _by_lines(weight)))
        over_signals(partial(spread, *arrays, stride, maps.numpy()), batch, 1)
        return maps.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor | None, Tensor | None, Tensor | None, None]:
        from sparsecode._native.top_codes import gather, weigh

        index, values, weight = ctx.saved_tensors
        by_place = gradient.permute(0, 2, 3, 1).contiguous().numpy()
        slopes = of_weight = None
        if ctx.needs_input_grad[1]:
            slopes = torch.zeros_like(values)
            arrays = index.numpy(), _by_lines(weight).numpy(), ctx.stride, by_place, slopes.numpy()
            over_signals(partial(gather, *arrays), len(index), 1)
        if ctx.needs_input_grad[2]:
            run = max(-(-len(index) // torch.get_num_threads()), 1)
            parts = values.new_zeros(max(-(-len(index) // run), 1), *_by_lines(weight).shape)

            def sum_up(first: int, last: int) -> None:
                weigh(index.numpy(), values.numpy(), ctx.stride, by_place, parts[first // run].numpy(), first, last)

            over_signals(sum_up, len(index), run)
            of_weight = parts.sum(dim=0).permute(0, 3, 1, 2)
        of_bias = gradient.sum(dim=(0, 2, 3)) if ctx.needs_input_grad[3] else None
        return None, slopes, of_weight, of_bias, None


def _by_lines(weight: Tensor) -> Tensor:
    """Weights (L, O, k, k) as (L, k, k, O)."""
    return weight.detach().permute(0, 2, 3, 1).contiguous()
