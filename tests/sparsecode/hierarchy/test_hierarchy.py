"""Stacked layers of competing neurons: their weights, their feedback, and codes of one signal alone."""

import dataclasses

import pytest
import torch

from sparsecode.hierarchy import Euler, Hierarchy, Proximal
from tests.helpers.small_hierarchies import level, minimum, signals, stack, two_branches

ANY = 2**28  # bytes


def test_weights_follow_from_the_feedback_and_the_lowest_layer_weighs_one():
    assert stack((0.5, 3.0)).weights == [1.0, 0.5, 1.5]
    assert stack((0.5, 3.0)).masses == [1.5, 4.0, 1.0]
    assert stack((0.5, 3.0), feedback_on="code").masses == [1.0, 1.0, 1.0]
    assert two_branches((1.0, 0.5)).weights == [1.0, 2.0, 1.0]  # both times beta are the top's


def test_feedback_pulls_codes_towards_the_reconstruction_from_above():
    """Of two atoms that explain a signal equally well, feedback chooses the one that the layer above knows."""
    lower = level(torch.eye(2, dtype=torch.float64)[[0, 0, 1]], (2,), 0.1)
    upper = level(torch.tensor([[0.0, 0.6, 0.8]], dtype=torch.float64), (3,), 0.01, below=(0,))
    given = [torch.tensor([[1.0, 1.0]], dtype=torch.float64), None]
    alone = minimum(Hierarchy([lower]), given[:1])
    assert abs(alone[0, 0] - alone[0, 1]) < 1e-6
    pulled = minimum(Hierarchy([dataclasses.replace(lower, feedback=1.0), upper]), given)
    assert pulled[0, 1] > pulled[0, 0] + 0.1


@pytest.mark.parametrize("run", ["settle", "minimise"])
def test_a_signals_code_depends_neither_on_its_mates_nor_on_memory(run):
    model = stack()
    given = signals(model, 4)
    given[0][0] *= 0.01  # rests long before the others

    def code(rows, max_bytes=ANY):
        part, start = model.given([given[0][rows]]), torch.zeros(len(rows), sum(model.sizes), dtype=torch.float64)
        if run == "settle":
            return Euler(model).settle(start, part, 1e-2, 20_000)[0]
        return Proximal(model, max_bytes).minimise(start, part, 1e-3, 20_000)[0]

    together = code([0, 1, 2, 3])
    torch.testing.assert_close(together, torch.cat([code([row]) for row in range(4)]), atol=1e-12, rtol=0)
    torch.testing.assert_close(together, code([0, 1, 2, 3], 1), atol=1e-12, rtol=0)
