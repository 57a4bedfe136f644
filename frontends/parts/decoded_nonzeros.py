"""A decoder's maps from the few codes that are not zero."""

from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from sparsecode import sparse_conv_transpose2d
from sparsefront.common.bare_layer import is_bare
from sparsefront.common.compiles_for import compiles_for

_LARGEST_SHARE = 1 / 8  # of the atoms that have a code; beyond it a dense product is sooner


def decodes_nonzeros(decoder: nn.Module, codes: Tensor) -> TypeGuard[nn.Sequential]:
    """Whether a decoder's first layer need not read the zeros beside codes (B, P, T): on a CPU, in full precision.

    Whoever would miss its call, such as a hook or a compiler, keeps it from being left out.
    """
    if torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
        return False
    if not is_bare(decoder, nn.Sequential) or not is_bare(first := decoder[0], nn.ConvTranspose2d):
        return False
    plain = first.padding == first.output_padding == (0, 0) and first.groups == 1 and first.dilation == (1, 1)
    square = first.kernel_size[0] == first.kernel_size[1] and first.stride[0] == first.stride[1]
    full = compiles_for(codes) and codes.dtype == first.weight.dtype
    return plain and square and full and codes.shape[-1] <= _LARGEST_SHARE * first.in_channels


def decoded_nonzeros(decoder: nn.Sequential, index: Tensor, codes: Tensor) -> Tensor:
    """Images (B, C, H, W) of codes (B, h, w, T) at some atoms (B, h, w, T), see `sparse_conv_transpose2d`."""
    first: Any
    first, *others = decoder
    maps = sparse_conv_transpose2d(index, codes, first.weight, first.bias, first.stride[0])
    for layer in others:
        maps = layer(maps)
    return maps
