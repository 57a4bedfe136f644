"""Where the largest of many values are."""

from functools import partial

import torch
from torch import Tensor

from sparsecode._choices import Backend, default_backend
from sparsecode._named_kinds import named_kinds

_FEW = 64  # that insertion sorts sooner than torch


@named_kinds
def largest_magnitudes(values: Tensor, count: int, *, backend: Backend | None = None) -> Tensor:
    """Indices (..., `count`) int64 of the largest magnitudes of values (..., L), in descending order.

    Of equal ones any may come first.

    Args:
        values: (..., L), real floating point.
        count: from 1 to L.
        backend: see `Backend`.

    Raises:
        ValueError: more values asked for than there are, or none.
    """
    length = values.shape[-1]
    if not 1 <= count <= length:
        raise ValueError(f"`count` must be from 1 to the {length} values, found {count}.")
    compiles = count <= _FEW and values.dtype in (torch.float32, torch.float64)
    if default_backend(backend, values.device.type) == "torch" or not compiles:
        return values.detach().abs().topk(count, dim=-1).indices
    from sparsecode._native.parallel import over_signals
    from sparsecode._native.top_codes import largest

    rows = values.detach().reshape(-1, length).contiguous()
    chosen = torch.empty(len(rows), count, dtype=torch.int64)
    over_signals(partial(largest, rows.numpy(), chosen.numpy()), len(rows))
    return chosen.view(*values.shape[:-1], count)
