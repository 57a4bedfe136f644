"""What a tensor of any kind holds, as plain tensors."""

import torch
from torch import Tensor

_BY_ROWS, _BY_COLUMNS = (torch.sparse_csr, torch.sparse_bsr), (torch.sparse_csc, torch.sparse_bsc)


def plain_parts(tensor: Tensor) -> list[Tensor]:
    """Dense tensors that can be copied and compared, which together hold the tensor's values.

    Indices and values of a sparse one, which made dense may not fit into memory; whole numbers of a quantised one;
    bytes of one of eight bits; the members of a nested one; none of one on the `meta` device; any other is its own.
    """
    if tensor.is_meta:
        return []
    if tensor.is_nested:
        return [part for member in tensor.unbind() for part in plain_parts(member)]
    if tensor.layout == torch.sparse_coo:
        tensor = tensor.coalesce()
        return [tensor.indices(), tensor.values()]
    if tensor.layout in _BY_ROWS:
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    if tensor.layout in _BY_COLUMNS:
        return [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
    if tensor.is_quantized:
        return [tensor.int_repr()]
    if tensor.layout != torch.strided:
        return [tensor.to_dense()]
    if tensor.dtype.is_floating_point and tensor.dtype.itemsize == 1:
        return [tensor.contiguous().view(torch.uint8)]
    return [tensor]
