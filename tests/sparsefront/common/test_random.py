import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsefront.common.random import drawing, generator_of, seed_of


@pytest.mark.skipif(
    sys.implementation.name != "cpython" or sys.maxsize != 2**63 - 1, reason="compares with CPython's hash"
)
@given(st.lists(st.integers(-(2**70), 2**70), max_size=5))
def test_is_the_hash_that_cpython_has_of_a_tuple_of_whole_numbers(numbers):
    assert seed_of(*numbers) == hash(tuple(numbers))


def test_frozen_values():
    assert (seed_of(), seed_of(0, -1), seed_of(3, 4, 0)) == (
        5740354900026072187,
        8374038142897728572,
        -1335390732879433020,
    )


def test_the_generator_draws_the_same_from_the_same_numbers_and_else_from_others():
    first, again, other = (torch.rand(8, generator=generator_of(*numbers)) for numbers in ((1, 2), (1, 2), (2, 1)))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_drawing_begins_at_its_seed_and_leaves_no_trace():
    before = torch.get_rng_state()
    with drawing(torch.device("cpu"), -3):
        drawn = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn, torch.rand(4, generator=torch.Generator().manual_seed(-3)))
    with pytest.raises(KeyError), drawing(torch.device("cpu"), 1):
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)


def test_drawing_on_the_cpu_leaves_the_seeds_of_accelerators_alone(monkeypatch):
    monkeypatch.setattr("torch.manual_seed", None)
    with drawing(torch.device("cpu"), 1):
        pass
