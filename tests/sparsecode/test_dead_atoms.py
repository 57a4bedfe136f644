"""Which atoms go and which signals take their places."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparsecode.dead_atoms import dead_atoms, replace_atoms, worst_signals


def test_unused_atoms_and_the_less_used_of_a_pair_are_dead():
    angles = torch.tensor([0.0, 0.02, 1.0, 1.0, 2.0, 2.0 + torch.pi])
    dictionary = torch.stack([angles.cos(), angles.sin()])
    usage = torch.tensor([1.0, 2.0, 3.0, 3.0, 0.5, 0.1])
    expected = torch.tensor([True, False, False, True, False, True])
    assert torch.equal(dead_atoms(dictionary, usage, signed=True), expected)
    usage[2], expected = 0, torch.tensor([True, False, True, False, False, False])
    assert torch.equal(dead_atoms(dictionary, usage, signed=False), expected)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 999),
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=3),
    number=st.integers(1, 12),
    scale=st.sampled_from([1e-20, 1.0, 1e20]),
)
def test_every_process_finds_the_worst_signals_of_all(together, seed, sizes, number, scale):
    generator = torch.Generator().manual_seed(seed)
    signals = torch.randn(sum(sizes), 3, generator=generator)
    errors = torch.rand(sum(sizes), generator=generator) * scale
    shares = list(zip(signals.split(sizes), errors.split(sizes), strict=True))
    found = together(len(sizes), lambda rank, reduce: worst_signals(*shares[rank], number, reduce))
    expected = signals[errors.argsort(descending=True)][:number]
    for one in found:
        assert torch.equal(one, found[0])
        torch.testing.assert_close(one, expected)


def test_signals_that_share_one_error_are_taken_once(together):
    signals = torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])
    errors = torch.tensor([5.0, 6.0, 5.0])
    one, two = together(2, lambda rank, reduce: worst_signals(signals[rank::2], errors[rank::2], 3, reduce))
    assert torch.equal(one, two)
    assert torch.equal(one, signals[[1, 0]])


@pytest.mark.parametrize("n", [0, 1, 4])
def test_atoms_take_the_directions_of_signals_that_have_one(n):
    dictionary = torch.eye(3)
    signals = torch.tensor([[0.0, 0.0, 0.0], [0.0, 3.0, 4.0], [2.0, 0.0, 0.0], [1.0, 1.0, 0.0]])[:n]
    replaced = replace_atoms(dictionary, torch.tensor([True, False, True]), signals)
    assert replaced.tolist() == {0: [], 1: [], 4: [0, 2]}[n]
    if n == 4:
        assert torch.equal(dictionary, torch.tensor([[0.0, 0.0, 1.0], [0.6, 1.0, 0.0], [0.8, 0.0, 0.0]]))
