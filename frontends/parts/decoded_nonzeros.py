"""A decoder's maps from the few codes that are not zero."""

from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from sparsecode import sparse_conv_transpose2d

_LARGEST_SHARE = 1 / 8  # of the atoms that have a code; beyond it a dense product is sooner


def decodes_nonzeros(decoder: nn.Module, codes: Tensor) -> TypeGuard[nn.Sequential]:
    """Whether a decoder's first layer need not read the zeros beside codes (B, P, T): on a CPU, in full precision.

    What would not be noticed in its place, such as a hook on the layer, keeps it from being left out.
    """
    if not isinstance(decoder, nn.Sequential) or codes.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    first = decoder[0]
    if type(first) is not nn.ConvTranspose2d or first._forward_hooks or first._forward_pre_hooks:
        return False
    plain = first.padding == first.output_padding == (0, 0) and first.groups == 1 and first.dilation == (1, 1)
    square = first.kernel_size[0] == first.kernel_size[1] and first.stride[0] == first.stride[1]
    full = codes.dtype == first.weight.dtype and codes.dtype in (torch.float32, torch.float64)
    few = codes.shape[-1] <= _LARGEST_SHARE * first.in_channels
    return plain and square and full and few and not torch.is_autocast_enabled("cpu")


def decoded_nonzeros(decoder: nn.Sequential, index: Tensor, codes: Tensor) -> Tensor:
    """Images (B, C, H, W) of codes (B, h, w, T) at some atoms (B, h, w, T), see `sparse_conv_transpose2d`."""
    first: Any = decoder[0]
    maps = sparse_conv_transpose2d(index, codes, first.weight, first.bias, first.stride[0])
    for layer in decoder[1:]:
        maps = layer(maps)
    return maps
