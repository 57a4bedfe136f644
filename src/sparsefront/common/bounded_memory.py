"""Work on many rows in runs whose working memory is bounded."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from sparsefront.common.recompute_in_backward import recompute_in_backward


def split_by_memory(rows: Tensor, bytes_each: int, max_bytes: int) -> tuple[Tensor, ...]:
    """Cut a tensor along its first dimension into runs whose working memory stays below a bound.

    Args:
        rows: (N, ...), N of 0 or more, which is one run of none.
        bytes_each: working memory of one row, positive.
        max_bytes: the bound; a single row that needs more is a run all the same.
    """
    runs: tuple[Tensor, ...] = rows.split(max(max_bytes // bytes_each, 1))
    return runs


def map_runs(function: Callable[..., Tensor], runs: Sequence[Tensor], *tensors: Tensor) -> list[Tensor]:
    """`function(run, *tensors)` of every run.

    Where there are several runs and a gradient is wanted, each is computed once more in the backward pass, rather than
    that what it needs is kept for all of them until then (see `recompute_in_backward`).
    """
    wants_gradient = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (*runs, *tensors))
    if len(runs) > 1 and wants_gradient:
        function = partial(recompute_in_backward, function)
    return [function(run, *tensors) for run in runs]
