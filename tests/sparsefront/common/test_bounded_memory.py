"""Runs of bounded memory: what they hold, and what they keep for the gradient."""

import pytest
import torch

from sparsefront.common.bounded_memory import map_runs, split_by_memory


@pytest.mark.parametrize(
    ("n", "bytes_each", "max_bytes", "lengths"),
    [(7, 10, 30, [3, 3, 1]), (7, 10, 39, [3, 3, 1]), (3, 10, 30, [3]), (2, 10, 1, [1, 1]), (0, 10, 30, [0])],
)
def test_runs_are_as_long_as_memory_allows_and_no_shorter_than_a_row(n, bytes_each, max_bytes, lengths):
    rows = torch.arange(2.0 * n).view(n, 2)
    runs = split_by_memory(rows, bytes_each, max_bytes)
    assert [len(run) for run in runs] == lengths
    assert torch.equal(torch.cat(runs), rows)


@pytest.mark.parametrize("max_bytes", [1, 2, 100])
def test_runs_have_the_value_and_the_gradient_of_all_rows_at_once(max_bytes):
    rows, weights = torch.rand(5, 3, requires_grad=True), torch.rand(3, requires_grad=True)
    results = map_runs(lambda run, given: run.square() * given, split_by_memory(rows, 1, max_bytes), weights)
    total = torch.cat(results)
    assert torch.equal(total, rows.square() * weights)
    found = torch.autograd.grad(total.sum(), [rows, weights])
    torch.testing.assert_close(found, torch.autograd.grad((rows.square() * weights).sum(), [rows, weights]))


@pytest.mark.parametrize(("max_bytes", "wants", "calls"), [(1, True, 4), (1, False, 2), (9, True, 1), (9, False, 1)])
def test_only_several_runs_that_want_a_gradient_are_computed_twice(max_bytes, wants, calls):
    rows, seen = torch.rand(2, 3, requires_grad=wants), []
    results = map_runs(lambda run: seen.append(len(run)) or 2 * run, split_by_memory(rows, 1, max_bytes))
    if wants:
        torch.cat(results).sum().backward()
    assert len(seen) == calls
    seen.clear()
    with torch.no_grad():
        map_runs(lambda run: seen.append(len(run)) or 2 * run, split_by_memory(rows, 1, max_bytes))
    assert len(seen) == len(split_by_memory(rows, 1, max_bytes))
