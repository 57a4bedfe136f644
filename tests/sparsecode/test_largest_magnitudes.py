"""The places of the largest magnitudes beside torch's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsecode import largest_magnitudes


@given(
    length=st.integers(1, 200),
    share=st.floats(0, 1),
    rows=st.integers(0, 5),
    levels=st.sampled_from([2, 5, 10**6]),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=150)
def test_they_are_torchs_in_descending_order(length, share, rows, levels, dtype, seed):
    """Few levels: many are equal, and any of these may come first."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(-levels, levels + 1, (2, rows, length), generator=generator).to(dtype)
    count = 1 + round(share * (length - 1))
    index = largest_magnitudes(values, count)
    assert index.shape == (2, rows, count)
    assert torch.equal(values.abs().gather(-1, index), values.abs().topk(count, dim=-1).values)
    assert all(len(set(row)) == count for row in index.flatten(0, 1).tolist())


@pytest.mark.parametrize("count", [1, 15, 30, 64, 65])
def test_both_backends_choose_the_same_of_values_that_differ(count):
    values = torch.randn(300, 100, generator=torch.Generator().manual_seed(0))
    native, plain = (largest_magnitudes(values, count, backend=backend) for backend in ("native", "torch"))
    assert torch.equal(native, plain)


def test_rows_that_are_not_contiguous_are_read_as_they_are():
    values = torch.randn(40, 50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(largest_magnitudes(values.T, 3), largest_magnitudes(values.T.contiguous(), 3))


def test_several_threads_choose_the_same(monkeypatch):
    values = torch.randn(1000, 30, generator=torch.Generator().manual_seed(0))
    alone = largest_magnitudes(values, 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert torch.equal(largest_magnitudes(values, 4), alone)


@pytest.mark.parametrize("count", [0, 6])
def test_a_count_that_there_is_not_is_named(count):
    with pytest.raises(ValueError, match=f"`count` must be from 1 to the 5 values, found {count}"):
        largest_magnitudes(torch.ones(2, 5), count)
