"""A transposed convolution of codes that are nearly all zero."""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparsecode._named_kinds import named_kinds
from sparsecode.checks import check_positive


@named_kinds
def sparse_conv_transpose2d(index: Tensor, values: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """`torch.nn.functional.conv_transpose2d` of codes with few nonzeros a position, from these alone. On a CPU.

    The derivative in the codes is that of the given channels; the others are constants. It is differentiable once.

    Args:
        index: (B, h, w, T) int64, the channels that are not zero, each once a position.
        values: (B, h, w, T), their codes, float32 or float64; some may be 0, so that they have a derivative.
        weight: (L, O, k, k), as of `torch.nn.ConvTranspose2d`.
        bias: (O,) or None.
        stride: at least 1.

    Returns:
        Maps (B, O, (h - 1) stride + k, (w - 1) stride + k), in `torch.channels_last`.

    Raises:
        ValueError: not on a CPU, shapes or precisions that do not fit, a channel that there is not, a stride below 1.
    """
    _check(index, values, weight, bias, stride)
    maps: Tensor = _SparseConvTranspose2d.apply(index, values, weight, bias, stride)
    return maps


def _check(index: Tensor, values: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> None:
    floating = [values, weight, *([] if bias is None else [bias])]
    if any(tensor.device.type != "cpu" for tensor in [index, *floating]):
        raise ValueError(
            "`index`, `values`, `weight` and `bias` must be on a CPU; elsewhere the dense layer is sooner."
        )
    if index.shape != values.shape or index.ndim != 4 or index.dtype != torch.int64:
        raise ValueError(
            "`index` must be int64 and, as `values`, (B, h, w, T), found "
            f"{index.dtype} {tuple(index.shape)} and {tuple(values.shape)}."
        )
    if weight.ndim != 4 or weight.shape[2] != weight.shape[3] or (bias is not None and bias.shape != weight.shape[1:2]):
        shapes = tuple(weight.shape), None if bias is None else tuple(bias.shape)
        raise ValueError(f"`weight` must be (L, O, k, k) and `bias` (O,) or None, found {shapes[0]} and {shapes[1]}.")
    if len({tensor.dtype for tensor in floating}) > 1 or values.dtype not in (torch.float32, torch.float64):
        dtypes = ", ".join(str(tensor.dtype) for tensor in floating)
        raise ValueError(f"`values`, `weight` and `bias` must be all float32 or all float64, found {dtypes}.")
    if index.numel() and not 0 <= int(index.amin()) <= int(index.amax()) < len(weight):
        raise ValueError(
            f"`index` must be from 0 to the last of {len(weight)} channels, found {int(index.amin())} to "
            f"{int(index.amax())}."
        )
    check_positive(stride=stride)


_CACHE = 2**19  # bytes of weights that stay in it beside the maps


class _SparseConvTranspose2d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, index: Tensor, values: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
        from sparsecode._native.parallel import over_signals
        from sparsecode._native.top_codes import spread

        index, values = index.contiguous(), values.detach().contiguous()  # threads of Python would see a graph
        pieces = _in_pieces(weight)
        ctx.save_for_backward(index, values, pieces)
        ctx.stride, ctx.weight_shape = (stride, stride * weight.shape[1]), weight.shape
        batch, height, width, _ = index.shape
        sides = ((side - 1) * stride + weight.shape[-1] for side in (height, width))
        maps = values.new_zeros(batch, *sides, weight.shape[1])
        if bias is not None:
            maps += bias.detach()
        arrays = index.numpy(), values.numpy(), pieces.numpy(), ctx.stride, maps.flatten(2).numpy()
        run = partial(spread, *arrays)
        over_signals(run, batch, 1)
        return maps.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor | None, Tensor | None, Tensor | None, None]:
        from sparsecode._native.parallel import over_signals
        from sparsecode._native.top_codes import gather, weigh

        index, values, pieces = ctx.saved_tensors
        by_line = gradient.permute(0, 2, 3, 1).contiguous().flatten(2).numpy()
        slopes = of_weight = None
        if ctx.needs_input_grad[1]:
            slopes = torch.zeros_like(values)
            arrays = index.numpy(), pieces.numpy(), ctx.stride, by_line, slopes.numpy()
            over_signals(partial(gather, *arrays), len(index), 1)
        if ctx.needs_input_grad[2]:
            run = max(-(-len(index) // torch.get_num_threads()), 1)
            parts = values.new_zeros(max(-(-len(index) // run), 1), *pieces.shape)

            def sum_up(first: int, last: int) -> None:
                weigh(index.numpy(), values.numpy(), ctx.stride, by_line, parts[first // run].numpy(), first, last)

            over_signals(sum_up, len(index), run)
            channels, made, *sides = ctx.weight_shape
            of_weight = parts.sum(dim=0).view(channels, *sides, made).permute(0, 3, 1, 2)
        of_bias = gradient.sum(dim=(0, 2, 3)) if ctx.needs_input_grad[3] else None
        return None, slopes, of_weight, of_bias, None


def _in_pieces(weight: Tensor) -> Tensor:
    """Weights (L, O, k, k) as (L, k, 1, k O), or as (L, k, k, O) where those of a line are too many for a cache."""
    by_entry = weight.detach().permute(0, 2, 3, 1).contiguous()
    in_a_line = weight.numel() // weight.shape[-1] * weight.element_size()
    return by_entry.flatten(2)[:, :, None] if in_a_line <= _CACHE else by_entry
