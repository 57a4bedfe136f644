"""The nearest of many vectors, without a matrix of all distances."""

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsefront.common.bounded_memory import split_by_memory
from sparsefront.frontends.parts.blockwise_topk import blockwise_topk

_CACHE = 2**23  # bytes; on a CPU, larger runs are slower


def nearest(queries: Tensor, database: Tensor, number: int, max_bytes: int = 2**28, at_once: int = 2**13) -> Tensor:
    """Rows (Q, `number`) of `database` (N, d) by Euclidean distance to each of `queries` (Q, d), the nearest first.

    Distances to `at_once` entries are held at a time, for as many queries as `max_bytes` of working memory allow.
    """
    # <q, d> - ||d||^2 / 2 is largest where ||q - d||^2 is smallest
    database = database.to(queries.dtype)
    database = torch.cat([database, -0.5 * database.square().sum(dim=1, keepdim=True)], dim=1)
    queries = F.pad(queries, (0, 1), value=1.0)
    room = min(max_bytes, _CACHE) if queries.device.type == "cpu" else max_bytes
    scores_each = 2 * min(len(database), at_once) * queries.element_size()
    runs = split_by_memory(queries, scores_each, room)
    return torch.cat([_search(run, database, number, at_once) for run in runs])


def _search(queries: Tensor, database: Tensor, number: int, length: int) -> Tensor:
    """One run of queries through the database, `length` entries at a time."""
    best, rows = queries.new_empty(len(queries), 0), queries.new_empty(len(queries), 0, dtype=torch.long)
    for start in range(0, len(database), length):
        scores = queries @ database[start : start + length].T
        values, places = blockwise_topk(scores, min(number, scores.shape[1]))
        best, rows = torch.cat([best, values], 1), torch.cat([rows, places + start], 1)
        best, order = best.topk(min(number, best.shape[1]), dim=1)
        rows = rows.gather(1, order)
    return rows
