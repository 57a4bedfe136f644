"""The sums that a dictionary is learned from."""

import pytest
import torch

from sparsecode._moments import Moments


@pytest.mark.parametrize("share", [0.0, 0.05, 0.9])  # by entries and by matrix products
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sums_are_those_of_the_formulas_and_add_up(share, dtype):
    generator = torch.Generator().manual_seed(0)
    dictionary = torch.randn(6, 40, generator=generator, dtype=dtype)
    signals = torch.randn(30, 6, generator=generator, dtype=dtype)
    codes = torch.randn(30, 40, generator=generator, dtype=dtype) * (torch.rand(30, 40, generator=generator) < share)
    moments = Moments(dictionary)
    errors = torch.cat([moments.add(y, dictionary, s) for y, s in zip(signals.split(20), codes.split(20), strict=True)])
    expected = (signals - codes @ dictionary.T).square().sum(dim=1)
    close = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(errors, expected, **close)
    torch.testing.assert_close(moments.a, codes.T @ codes, **close)
    torch.testing.assert_close(moments.b, signals.T @ codes, **close)
    counts = [expected.sum().item() / 2, codes.abs().sum().item(), (codes != 0).sum(), (codes < 0).sum(), 30]
    torch.testing.assert_close(moments.counts, torch.tensor(counts, dtype=dtype), **close)
    assert moments.means()["nonzeros"] == pytest.approx((codes != 0).sum().item() / 30)


def test_no_signals_add_nothing():
    dictionary = torch.eye(3)
    moments = Moments(dictionary)
    assert moments.add(torch.zeros(0, 3), dictionary, torch.zeros(0, 3)).shape == (0,)
    assert not moments.sums.any()
    assert moments.means() == {"half_residual": 0, "l1": 0, "nonzeros": 0}


def test_counts_of_many_signals_do_not_drift():
    dictionary = torch.eye(16, 40)
    codes = torch.zeros(300_000, 40)
    codes[:, :4] = 0.1
    sums = Moments(dictionary)
    sums.add(torch.zeros(300_000, 16), dictionary, codes)
    torch.testing.assert_close(sums.counts[1].item(), 300_000 * 4 * float(codes[0, 0]), rtol=1e-6, atol=0)
