"""The sparse layer beside torch's own of the same codes with their zeros."""

from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from sparsecode import sparse_conv_transpose2d


def drawn(batch, height, width, atoms, count, made, size, dtype=torch.float64, seed=0):
    """Channels, their codes, some of which are 0, weights and a bias."""
    generator = torch.Generator().manual_seed(seed)
    index = torch.rand(batch, height, width, atoms, generator=generator).argsort(dim=-1)[..., :count]
    values = torch.randn(batch, height, width, count, dtype=dtype, generator=generator)
    values *= torch.rand(values.shape, generator=generator) < 0.7
    weight = torch.randn(atoms, made, size, size, dtype=dtype, generator=generator)
    bias = torch.randn(made, dtype=dtype, generator=generator)
    return index, *(tensor.requires_grad_() for tensor in (values, weight, bias))


def dense(index, values, weight, bias, stride):
    codes = values.new_zeros(*values.shape[:3], len(weight)).scatter(-1, index, values)
    return F.conv_transpose2d(codes.permute(0, 3, 1, 2), weight, bias, stride=stride)


SIZES = {
    "batch": st.integers(0, 3),
    "height": st.integers(1, 4),
    "width": st.integers(1, 4),
    "made": st.integers(1, 5),
    "size": st.integers(1, 4),
}


@given(
    sizes=st.fixed_dictionaries(SIZES),
    count=st.integers(1, 14),
    stride=st.integers(1, 5),
    cache=st.sampled_from([0, 2**19]),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=80)
def test_maps_and_all_derivatives_are_those_of_the_dense_layer(sizes, count, stride, cache, seed):
    """Whether a line's weights are added up at once or, as they must be in a small cache, entry by entry."""
    given = drawn(**sizes, atoms=15, count=count, seed=seed)
    expected = dense(*given, stride)
    weights = torch.randn(expected.shape, dtype=expected.dtype, generator=torch.Generator().manual_seed(seed))
    with mock.patch("sparsecode.sparse_conv_transpose2d._CACHE", cache):
        found = sparse_conv_transpose2d(*given, stride)
        derivatives = [torch.autograd.grad(maps, given[1:], weights) for maps in (found, expected)]
    torch.testing.assert_close(found, expected)
    for of_sparse, of_dense in zip(*derivatives, strict=True):
        torch.testing.assert_close(of_sparse, of_dense)


def test_its_derivatives_are_finite_differences():
    index, *tensors = drawn(1, 2, 2, atoms=5, count=3, made=2, size=3)
    assert torch.autograd.gradcheck(lambda *given: sparse_conv_transpose2d(index, *given, 2), tensors)


def test_threads_and_layouts_change_nothing_but_rounding(monkeypatch):
    index, values, weight, bias = drawn(5, 3, 3, atoms=9, count=4, made=3, size=2, dtype=torch.float32)
    alone = sparse_conv_transpose2d(index, values, weight, bias, 2)
    of_weight = torch.autograd.grad(alone.square().sum(), weight)[0]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    other = weight.detach().to(memory_format=torch.channels_last).requires_grad_()
    maps = sparse_conv_transpose2d(index, values.mT.contiguous().mT, other, bias, 2)
    assert torch.equal(maps, alone)
    torch.testing.assert_close(torch.autograd.grad(maps.square().sum(), other)[0], of_weight)


def test_threads_derive_by_codes_and_weights_at_once(monkeypatch):
    index, *tensors = drawn(4, 3, 3, atoms=9, count=4, made=3, size=2)
    expected = torch.autograd.grad(sparse_conv_transpose2d(index, *tensors, 2).square().sum(), tensors)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    found = torch.autograd.grad(sparse_conv_transpose2d(index, *tensors, 2).square().sum(), tensors)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_what_needs_no_derivative_gets_none():
    index, values, weight, _ = drawn(2, 2, 2, atoms=5, count=3, made=2, size=2)
    maps = sparse_conv_transpose2d(index, values.detach(), weight, None, 1)
    maps.sum().backward()
    assert weight.grad is not None
    assert not sparse_conv_transpose2d(index, values.detach(), weight.detach(), None, 1).requires_grad


def test_a_second_derivative_is_refused():
    index, values, weight, bias = drawn(1, 2, 2, atoms=5, count=3, made=2, size=2)
    maps = sparse_conv_transpose2d(index, values, weight, bias, 1)
    (slopes,) = torch.autograd.grad(maps.square().sum(), values, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slopes.sum().backward()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"index": torch.full((1, 2, 2, 3), 5)}, "`index` must be from 0 to the last of 5 channels, found 5 to 5"),
        ({"index": torch.full((1, 2, 2, 3), -1)}, "found -1 to -1"),
        (
            {"index": torch.zeros(1, 2, 2, 2, dtype=torch.int64)},
            r"`index` must be int64 .* found torch.int64 \(1, 2, 2, 2\)",
        ),
        ({"index": torch.zeros(1, 2, 2, 3, dtype=torch.float32)}, "found torch.float32"),
        (
            {"weight": torch.zeros(5, 2, 3, 2, dtype=torch.float32)},
            r"`weight` must be \(L, O, k, k\) .* found \(5, 2, 3, 2\)",
        ),
        ({"bias": torch.zeros(3, dtype=torch.float32)}, r"`bias` \(O,\) or None, found .* and \(3,\)"),
        (
            {"weight": torch.zeros(5, 2, 3, 3).double()},
            "must be all float32 or all float64, found torch.float32, torch.float64",
        ),
        ({"values": torch.zeros(1, 2, 2, 3, device="meta")}, "must be on a CPU"),
        ({"stride": 0}, "`stride` must be"),
    ],
)
def test_what_does_not_fit_is_named(changed, message):
    given = {
        "index": torch.zeros(1, 2, 2, 3, dtype=torch.int64),
        "values": torch.zeros(1, 2, 2, 3, dtype=torch.float32),
        "weight": torch.zeros(5, 2, 3, 3, dtype=torch.float32),
        "bias": torch.zeros(2, dtype=torch.float32),
        "stride": 1,
    }
    with pytest.raises(ValueError, match=message):
        sparse_conv_transpose2d(**{**given, **changed})
