"""The atom update against its definition, and both backends against each other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from sparsecode import update_atoms

both = pytest.mark.parametrize("backend", ["native", "torch"])


def statistics(seed, m, k, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    dictionary = normalize(torch.randn(m, k, generator=generator, dtype=dtype), dim=0)
    codes = torch.randn(3 * k, k, generator=generator, dtype=dtype)
    codes *= torch.rand(3 * k, k, generator=generator) < 3 / k
    signals = codes @ dictionary.T + 0.5 * torch.randn(3 * k, m, generator=generator, dtype=dtype)
    return dictionary, codes.T @ codes, signals.T @ codes


def plain(dictionary, a, b):
    dictionary = dictionary.clone()
    for j in range(dictionary.shape[1]):
        if a[j, j] > 0:
            moved = (b[:, j] - dictionary @ a[:, j]) / a[j, j] + dictionary[:, j]
            if moved.norm() > 0:
                dictionary[:, j] = moved / moved.norm()
    return dictionary


def surrogate(dictionary, a, b):
    return 0.5 * (dictionary.T @ dictionary * a).sum() - (dictionary * b).sum()


@both
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(1, 12), st.sampled_from([1, 2, 7, 127, 128, 129, 300]))
def test_one_pass_is_the_definition_and_never_raises_what_it_minimises(backend, seed, m, k):
    dictionary, a, b = statistics(seed, m, k)
    before = dictionary.clone()
    updated = update_atoms(dictionary, a, b, backend=backend)
    torch.testing.assert_close(updated, plain(dictionary, a, b))
    assert surrogate(updated, a, b) <= surrogate(dictionary, a, b) + 1e-9
    torch.testing.assert_close(updated.norm(dim=0), torch.ones(k, dtype=torch.float64))
    assert torch.equal(dictionary, before)


def test_backends_agree_in_single_precision():
    given = statistics(0, 48, 500, torch.float32)
    native, plain_torch = (update_atoms(*given, backend=backend) for backend in ("native", "torch"))
    assert (native - plain_torch).abs().max() < 1e-5


@both
def test_atoms_unused_or_without_a_direction_stay(backend):
    dictionary, a, b = statistics(1, 6, 5)
    a[2], a[:, 2], b[:, 2] = 0, 0, 0
    a[3, 3], b[:, 3] = 1e-20, 1e-10  # nothing but rounding errors beside the others
    a[4], a[:, 4] = 0, 0
    a[4, 4], b[:, 4] = 1, 0  # d - d = 0
    updated = update_atoms(dictionary, a, b, backend=backend)
    assert torch.equal(updated[:, 2:], dictionary[:, 2:])
    assert not torch.equal(updated[:, :2], dictionary[:, :2])


@both
def test_strided_input_of_other_precision_is_read(backend):
    dictionary, a, b = statistics(2, 6, 20)
    expected = update_atoms(dictionary, a, b, backend=backend)
    strided = torch.stack([a, a], dim=2)[:, :, 0].T, b.T.contiguous().T
    torch.testing.assert_close(update_atoms(dictionary, *strided, backend=backend), expected)
    single = update_atoms(dictionary.float().requires_grad_(), a, b, backend=backend)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, atol=1e-4, rtol=0)


def test_statistics_of_another_dictionary_are_refused():
    dictionary, a, b = statistics(3, 6, 5)
    with pytest.raises(ValueError, match=r"`a` must be \(K, K\).*found \(4, 4\) and \(6, 5\)"):
        update_atoms(dictionary, a[:4, :4], b)
    with pytest.raises(ValueError, match="`backend` must be native, torch or None, found 'c'"):
        update_atoms(dictionary, a, b, backend="c")
