"""The nearest of many vectors, without a matrix of all distances."""

import torch
from torch import Tensor


def nearest(queries: Tensor, database: Tensor, number: int, max_bytes: int = 2**28, at_once: int = 2**16) -> Tensor:
    """Rows (Q, `number`) of `database` (N, d) by Euclidean distance to each of `queries` (Q, d), the nearest first.

    Distances to `at_once` entries are held at a time, for as many queries as `max_bytes` of working memory allow.
    """
    database = database.to(queries.dtype)
    offsets = -0.5 * database.square().sum(dim=1)
    across = min(len(database), at_once)
    down = max(1, max_bytes // (2 * across * queries.element_size()))
    return torch.cat([_search(run, database, offsets, number, across) for run in queries.split(down)])


def _search(queries: Tensor, database: Tensor, offsets: Tensor, number: int, length: int) -> Tensor:
    """One run of queries through the database, `length` entries at a time."""
    best, rows = queries.new_empty(len(queries), 0), queries.new_empty(len(queries), 0, dtype=torch.long)
    for start in range(0, len(database), length):
        stop = start + length
        # <q, d> - ||d||^2 / 2 is largest where ||q - d||^2 is smallest
        scores = torch.addmm(offsets[start:stop], queries, database[start:stop].T)
        found = scores.topk(min(number, scores.shape[1]), dim=1)
        best, rows = torch.cat([best, found.values], 1), torch.cat([rows, found.indices + start], 1)
        best, order = best.topk(min(number, best.shape[1]), dim=1)
        rows = rows.gather(1, order)
    return rows
