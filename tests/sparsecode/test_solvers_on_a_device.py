"""What torch computes on the device that the environment names is what the CPU computes in double precision."""

import pytest
import torch
from torch.nn.functional import normalize

from sparsecode import Convolution, Dense, cbpdn, fista, lasso, lca, omp
from tests.helpers.precision import DTYPE, placed

pytestmark = pytest.mark.cuda


def signals(generator):
    return torch.randn(12, 20, generator=generator, dtype=torch.float64)


def images(generator):
    return torch.randn(3, 2, 9, 8, generator=generator, dtype=torch.float64)


def dictionary(generator):
    return normalize(torch.randn(20, 30, generator=generator, dtype=torch.float64), dim=0)


def filters(generator):
    return normalize(torch.randn(5, 2, 3, 3, generator=generator, dtype=torch.float64), dim=(1, 2, 3))


def settings(tolerance, backend):
    return {"gradient": "implicit", "tolerance": tolerance} | ({} if backend is None else {"backend": backend})


# (What is coded, with what, signals and atoms and backend -> codes, how near); all have codes that are unique.
SOLVERS = {
    "omp": (signals, dictionary, lambda y, d, b: omp(y, d, 4, gradient="implicit", backend=b), 1e-4),
    "ormp": (signals, dictionary, lambda y, d, b: omp(y, d, 4, rule="ormp", gradient="implicit", backend=b), 1e-4),
    "lasso": (signals, dictionary, lambda y, d, b: lasso(y, d, 0.5, **settings(1e-6, b)), 5e-3),
    "fista": (signals, dictionary, lambda y, d, b: fista(y, Dense(d), 0.5, **settings(1e-6, None)), 5e-3),
    "fista of filters": (
        images,
        filters,
        lambda y, d, b: fista(y, Convolution(d, (9, 8)), 1.0, **settings(1e-5, None)),
        5e-3,
    ),
    "lca": (
        signals,
        dictionary,
        lambda y, d, b: lca(y, d, 0.5, tau=10.0, n_steps=20_000, **settings(1e-5, None)),
        5e-3,
    ),
    "cbpdn": (images, filters, lambda y, d, b: cbpdn(y, d, 0.5, **settings(1e-5, b)), 5e-3),
}


def codes_and_gradient(solve, coded, atoms, backend):
    point = coded.clone().requires_grad_()
    codes = solve(point, atoms, backend).codes
    weights = torch.rand(codes.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(codes)
    return codes.detach().cpu().double(), torch.autograd.grad(codes, point, weights)[0].cpu().double()


@pytest.mark.parametrize("name", SOLVERS)
def test_codes_and_gradients_are_those_of_the_cpu_in_double_precision(name):
    made, atoms_of, solve, near = SOLVERS[name]
    generator = torch.Generator().manual_seed(0)
    coded, atoms = made(generator), atoms_of(generator)
    expected = codes_and_gradient(solve, coded, atoms, None)
    found = codes_and_gradient(solve, placed(coded.to(DTYPE)), placed(atoms.to(DTYPE)), "torch")
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() <= near * other.norm()
