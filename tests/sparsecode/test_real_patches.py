"""Every coder against its rival on patches of real digits, to the accuracy that users may count on."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import orthogonal_mp_gram
from torch.nn.functional import normalize

from sparsecode import cbpdn, convolve, lasso, omp, sample_patches, tikhonov_split
from tests.helpers.real_digits import mnist_data

both = pytest.mark.parametrize("backend", ["native", "torch"])


@pytest.fixture(scope="module")
def digits():
    return torch.from_numpy(mnist_data()[0][::50]).view(-1, 1, 28, 28).double() / 255


@pytest.fixture(scope="module")
def patches(digits):
    drawn = sample_patches(digits, 8, 2, 4000, torch.Generator().manual_seed(0))
    drawn = drawn - drawn.mean(dim=1, keepdim=True)
    drawn = normalize(drawn[drawn.norm(dim=1) > 0.5], dim=1)
    alike = (drawn @ drawn.T).abs().tril(-1) > 0.98
    return drawn[~alike.any(dim=1)]  # among equal atoms the choice is nobody's to prescribe


@pytest.fixture(scope="module")
def split(patches):
    """Signals, and a dictionary of other patches."""
    return patches[:300], patches[-256:].T.contiguous()


@both
@pytest.mark.parametrize("k", [2, 10])
def test_omp_supports_and_coefficients_are_those_of_scikit_learn(split, backend, k):
    signals, dictionary = split
    d = dictionary.numpy()
    expected = torch.from_numpy(orthogonal_mp_gram(d.T @ d, d.T @ signals.numpy().T, n_nonzero_coefs=k).T)
    codes = omp(signals.float(), dictionary.float(), k, backend=backend).codes.double()
    same = ((codes != 0) == (expected != 0)).all(dim=1)
    assert same.double().mean() >= 0.99
    torch.testing.assert_close(codes[same], expected[same], rtol=0, atol=1e-4)


@both
def test_ormp_supports_are_those_of_spams(split, backend):
    spams = pytest.importorskip("spams")
    signals, dictionary = (tensor.float() for tensor in split)
    columns, atoms = (np.asfortranarray(tensor.numpy()) for tensor in (signals.T, dictionary))
    expected = torch.from_numpy(spams.omp(columns, atoms, L=10, eps=0.0, numThreads=1).toarray().T)
    codes = omp(signals, dictionary, 10, rule="ormp", backend=backend).codes
    same = ((codes != 0) == (expected != 0)).all(dim=1)
    assert same.double().mean() >= 0.99
    torch.testing.assert_close(codes[same], expected[same], rtol=0, atol=1e-3)  # SPAMS' own single precision


@both
def test_lasso_objectives_are_those_of_spams(split, backend):
    spams = pytest.importorskip("spams")
    signals, dictionary = split
    columns, atoms = (np.asfortranarray(tensor.numpy()) for tensor in (signals.T, dictionary))
    expected = torch.from_numpy(spams.lasso(columns, atoms, lambda1=0.1, mode=2, numThreads=1).toarray().T)
    codes = lasso(signals.float(), dictionary.float(), 0.1, backend=backend).codes.double()

    def objective(codes):
        return (signals - codes @ dictionary.T).square().sum(dim=1) / 2 + 0.1 * codes.abs().sum(dim=1)

    assert (objective(codes) / objective(expected) - 1).abs().max() < 1e-3


@both
def test_convolutional_objectives_are_at_most_those_that_sporco_stops_at(digits, backend):
    pytest.importorskip("sporco")
    from sporco.admm.cbpdn import ConvBPDN

    images = tikhonov_split(digits[:3])[1]
    filters = normalize(torch.randn(12, 36, generator=torch.Generator().manual_seed(0)).double(), dim=1)
    filters = filters.view(12, 1, 6, 6)
    options = ConvBPDN.Options({"Verbose": False, "MaxMainIter": 200, "RelStopTol": 5e-3, "AuxVarObj": False})

    def objective(codes, images):
        residual = images - convolve(codes, filters)
        return residual.square().sum(dim=(1, 2, 3)) / 2 + 0.1 * codes.abs().sum(dim=(1, 2, 3))

    codes = cbpdn(images, filters, 0.1, backend=backend).codes
    for image, code in zip(images, codes, strict=True):
        solved = ConvBPDN(filters.permute(2, 3, 1, 0).numpy().squeeze(2), image[0].numpy(), 0.1, options).solve()
        theirs = torch.from_numpy(np.asarray(solved).reshape(28, 28, 12).transpose(2, 0, 1).copy())
        assert objective(code[None], image[None]) <= 1.001 * objective(theirs[None], image[None])
