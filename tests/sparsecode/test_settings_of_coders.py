"""Whole numbers of every kind are taken, what is none is refused; nothing runs on beyond its precision."""

import time
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsecode import cbpdn, constrained_lasso, fista, lasso, lca, omp
from sparsecode.checks import NotConverged, whole_number
from sparsecode.l1_ball import project_onto_l1_ball
from sparsecode.operators import Dense

D = torch.nn.functional.normalize(torch.randn(8, 12, generator=torch.Generator().manual_seed(0)), dim=0)
Y = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
FILTERS = torch.nn.functional.normalize(torch.randn(2, 1, 3, 3).flatten(1), dim=1).view(2, 1, 3, 3)

SOLVERS = {
    "fista": lambda **k: fista(Y, Dense(D), 0.1, **k),
    "lasso": lambda **k: lasso(Y, D, 0.1, backend="native", **k),
    "lasso by torch": lambda **k: lasso(Y, D, 0.1, backend="torch", **k),
    "constrained_lasso": lambda **k: constrained_lasso(Y, D, 1.0, **k),
    "cbpdn": lambda **k: cbpdn(torch.rand(1, 1, 8, 8), FILTERS, 0.1, **k),
    "lca": lambda **k: lca(Y, D, 0.1, **{"n_steps" if n == "max_steps" else n: v for n, v in k.items()}),
}
EVERY = pytest.mark.parametrize("solve", SOLVERS.values(), ids=SOLVERS)


@EVERY
@pytest.mark.parametrize("wrong", [-1, np.int64(-1), -(10**9), 1.5, True, None, "3", float("nan")])
def test_steps_that_are_no_number_of_steps_are_refused(solve, wrong):
    with pytest.raises(ValueError, match=r"`(max|n)_steps`.* must be (at least 0|positive|an integer)"):
        solve(max_steps=wrong)
    with pytest.raises(ValueError, match=r"`unrolled_steps` must be (at least 1|positive|an integer)"):
        solve(unrolled_steps=wrong)


@EVERY
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, torch.tensor], ids=lambda kind: kind.__name__)
def test_whole_numbers_of_other_libraries_are_taken(solve, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConverged)
        expected, found = solve(max_steps=7), solve(max_steps=kind(7), unrolled_steps=kind(3))
    if len(found.codes) == len(Y):
        assert torch.equal(found.codes, expected.codes)


@pytest.mark.parametrize("kind", [np.int64, np.int16, torch.tensor], ids=lambda kind: kind.__name__)
def test_omp_takes_whole_numbers_of_other_libraries(kind):
    assert torch.equal(omp(Y, D, kind(3)).codes, omp(Y, D, 3).codes)
    assert ((omp(Y, D, kind(3)).codes != 0).sum(dim=1) <= 3).all()


@pytest.mark.filterwarnings("ignore::sparsecode.checks.NotConverged")
def test_padding_takes_whole_numbers_of_other_libraries():
    images = torch.rand(1, 1, 8, 8)
    for kind in (np.int64, np.uint8):
        found = lca(images, FILTERS, 0.1, padding=kind(1), n_steps=5)
        assert torch.equal(found.codes, lca(images, FILTERS, 0.1, padding=1, n_steps=5).codes)


@pytest.mark.parametrize("wrong", [0, -1, 13, np.int64(13), 2.0, np.float64(2), True, "2", [2], float("nan")])
def test_omp_refuses_what_is_no_number_of_atoms(wrong):
    with pytest.raises(ValueError, match="`n_nonzero_coefs` must be an integer from 1 to the 12 atoms, found"):
        omp(Y, D, wrong)


@given(value=st.one_of(st.integers(), st.floats(), st.text(), st.none(), st.booleans()), least=st.integers(-3, 3))
def test_a_whole_number_is_read_or_refused_by_its_name(value, least):
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        assert whole_number(value, "steps", least) == value
    else:
        with pytest.raises(ValueError, match=f"^`steps` must be (an integer|at least {least}), found"):
            whole_number(value, "steps", least)


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_a_projection_refuses_points_that_are_not_finite(wrong):
    points = torch.ones(2, 4)
    points[1, 2] = wrong
    for positive in (False, True):
        with pytest.raises(ValueError, match="`points` must be finite, found NaN or infinity"):
            project_onto_l1_ball(points, 1.0, positive=positive)
    with pytest.raises(ValueError, match="`points` must be floating point"):
        project_onto_l1_ball(points.nan_to_num().long(), 1.0)
    for radius in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="`radius` must be positive and finite"):
            project_onto_l1_ball(torch.ones(2, 4), radius)


def hard(scale):
    generator = torch.Generator().manual_seed(0)
    atoms = torch.nn.functional.normalize(torch.randn(64, 128, generator=generator), dim=0)
    return scale * torch.randn(20, 64, generator=generator), atoms


@pytest.mark.parametrize("scale", [1e5, 1e6, 1e9])
def test_signals_beyond_the_precision_end_soon_and_say_so(scale):
    """Where float32 cannot tell a correlation of lmbda from rounding, 10,000 steps brought no better a gap than 300."""
    signals, atoms = (tensor.float() for tensor in hard(scale))
    start = time.process_time()
    with pytest.warns(NotConverged, match="FISTA stopped before .* of 20 signals.*only float64 resolves it"):
        found = fista(signals, Dense(atoms), 0.1)
    assert time.process_time() - start < 5  # over 30 s before
    assert found.codes.isfinite().all()
    residual = signals - found.codes @ atoms.T
    assert (residual.norm(dim=1) < 0.01 * signals.norm(dim=1)).all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6, 1e9])
def test_a_weight_that_goes_with_the_signals_gives_codes_that_do(scale):
    signals, atoms = hard(1.0)
    expected = fista(signals, Dense(atoms), 0.5, tolerance=1e-4).codes
    found = fista(scale * signals, Dense(atoms), 0.5 * scale, tolerance=1e-4)
    assert found.converged.all()
    torch.testing.assert_close(found.codes / scale, expected, rtol=1e-2, atol=1e-2)
