"""STL: what it rebuilds."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sparsecode import convolve, correlate, tikhonov_split
from sparsefront.frontends.stl import STL, STLCodeSettings
from tests.helpers.small_stl import SHAPE, learned, like, objective, pictures


def test_is_the_smooth_part_plus_filters_laid_at_their_coefficients():
    """In plain numpy: the low-pass part by its normal equations, the rest by the definition of convolution."""
    frontend = STL(
        (2, 8, 7), n_filters=3, filter_size=4, lmbda=0.02, n_clusters=1, codes=STLCodeSettings(padding=3)
    ).double()
    generator = torch.Generator().manual_seed(0)
    frontend.coder.filters.copy_(F.normalize(torch.randn(1, 3, 32, generator=generator), dim=2).view(1, 3, 2, 4, 4))
    frontend.learned.fill_(True)
    images = 0.3 + 0.4 * torch.rand(2, 2, 8, 7, generator=generator, dtype=torch.float64)
    codes, filters = frontend.encode(images).to_dense().numpy(), frontend.coder.filters[0].numpy()
    assert (codes != 0).any(axis=(1, 2, 3)).all()
    expected = np.stack([[smooth(channel, 5.0, 3) for channel in image] for image in images.numpy()])
    for image, k, row, column in np.argwhere(codes):
        for i in range(4):
            for j in range(4):
                value = codes[image, k, row, column] * filters[k, :, i, j]
                expected[image, :, (row + i) % 8, (column + j) % 7] += value
    np.testing.assert_allclose(frontend(images).numpy(), expected, atol=1e-10)


def smooth(channel, lmbda, padding):
    """argmin 1/2 ||x - y||^2 + lmbda/2 ||differences of x||^2 of the mirrored channel, by a dense system."""
    y = np.pad(channel, padding, mode="symmetric")
    rows, columns = y.shape
    down, across = (np.eye(n) - np.roll(np.eye(n), 1, axis=1) for n in (rows, columns))
    down, across = np.kron(down, np.eye(columns)), np.kron(np.eye(rows), across)
    x = np.linalg.solve(np.eye(y.size) + lmbda * (down.T @ down + across.T @ across), y.ravel())
    return x.reshape(y.shape)[padding:-padding, padding:-padding]


def test_codes_meet_the_optimality_conditions_with_the_filters_of_their_cluster():
    frontend, images = like(tolerance=1e-3), pictures(4)
    codes, clusters = frontend.encode(images).to_dense(), frontend.coder.assign(images)
    assert clusters.unique().tolist() == [0, 1]
    high = tikhonov_split(images)[1]
    for image, code, k in zip(high, codes, clusters, strict=True):
        free = correlate(image - convolve(code[None], frontend.coder.filters[k]), frontend.coder.filters[k]) + code
        assert (free - free.clamp(-0.1, 0.1) - code).abs().max() < 1.02e-4


def test_the_objective_is_within_a_thousandth_of_sporcos():
    sporco = pytest.importorskip("sporco.admm.cbpdn")
    frontend, images = learned(), pictures(2, seed=3)
    codes, clusters, high = frontend.encode(images).to_dense(), frontend.coder.assign(images), tikhonov_split(images)[1]
    for image, code, k in zip(high, codes, clusters, strict=True):
        filters = frontend.coder.filters[k]
        options = sporco.ConvBPDN.Options({"Verbose": False, "MaxMainIter": 500, "RelStopTol": 5e-4})
        numbers = filters.permute(2, 3, 1, 0).numpy(), image.permute(1, 2, 0).numpy()
        theirs = np.asarray(sporco.ConvBPDN(*numbers, 0.1, options, dimK=0).solve()).reshape(*SHAPE[1:], -1)
        best = objective(image[None], filters, torch.from_numpy(theirs).permute(2, 0, 1)[None], 0.1)
        assert objective(image[None], filters, code[None], 0.1) < 1.001 * best


def test_images_of_different_clusters_in_one_call_come_back_as_they_do_alone():
    frontend, images = learned(), pictures(9)
    assert len(frontend.coder.assign(images).unique()) == 2
    alone = torch.cat([frontend(image[None]) for image in images])
    torch.testing.assert_close(frontend(images), alone, atol=1e-6, rtol=0)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(frontend(images[order]), alone[order], atol=1e-6, rtol=0)


def test_splitting_a_batch_to_bound_memory_changes_nothing(monkeypatch):
    frontend, images = learned(), pictures(7).requires_grad_()
    maps = {name: frontend.stand_in(name) for name in frontend.backward_modes()}
    before = {name: torch.autograd.grad(run(images).square().sum(), images)[0] for name, run in maps.items()}
    value = frontend(images).detach()
    monkeypatch.setattr("sparsefront.frontends.stl.cluster_coder._MAX_BYTES", 1)
    torch.testing.assert_close(frontend(images).detach(), value, atol=1e-6, rtol=0)
    for name, run in maps.items():
        torch.testing.assert_close(
            torch.autograd.grad(run(images).square().sum(), images)[0], before[name], atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("size", [(5, 5), (5, 40), (33, 24)])
def test_any_size_from_that_of_a_filter_on_is_rebuilt(size):
    images = pictures(3, shape=(3, *size))
    rebuilt = learned()(images)
    assert rebuilt.shape == images.shape
    assert (rebuilt - images).abs().mean() < 0.1


def test_results_stay_in_the_box_and_rescaling_divides_by_the_largest_value():
    images = (3 * pictures(4) - 1).clamp(0, 1)
    plain, rescaled = like()(images), like(rescale=True)(images)
    assert plain.min() == 0
    assert plain.max() == 1
    torch.testing.assert_close(rescaled.amax(dim=(1, 2, 3)), torch.ones(4))
    images = pictures(4)
    plain = like()(images)
    assert plain.max() < 1
    torch.testing.assert_close(like(rescale=True)(images), plain / plain.amax(dim=(1, 2, 3), keepdim=True))
