import warnings

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from sparsecode import Dense, NotConverged, constrained_lasso, fista, project_onto_l1_ball
from tests.helpers.random_signals import random_signals


def objective(signals, dictionary, codes):
    return 0.5 * (signals - codes @ dictionary.T).square().sum(dim=1)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 12), st.floats(0.01, 10), st.booleans(), st.integers(0, 99))
def test_the_projection_is_the_shrinkage_that_just_reaches_the_ball(k, radius, positive, seed):
    points = torch.randn(7, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for point, projected in zip(points.numpy(), project_onto_l1_ball(points, radius, positive=positive), strict=True):
        magnitudes = np.maximum(point, 0) if positive else np.abs(point)

        def excess(theta, magnitudes=magnitudes):
            return np.maximum(magnitudes - theta, 0).sum() - radius

        theta = brentq(excess, 0, magnitudes.max(), xtol=1e-14) if excess(0) > 0 else 0
        expected = np.sign(point) * np.maximum(magnitudes - theta, 0)
        np.testing.assert_allclose(projected.numpy(), expected, atol=1e-12)


def test_no_point_of_the_ball_is_nearer_than_the_projection():
    points = 3 * torch.randn(50, 6, dtype=torch.float64)
    inside = torch.randn(1000, 1, 6, dtype=torch.float64)
    inside = 2 * inside / inside.abs().sum(dim=2, keepdim=True)
    projected = project_onto_l1_ball(points, 2.0)
    assert ((points - projected).norm(dim=1) <= (points - inside).norm(dim=2) + 1e-12).all()
    assert torch.equal(project_onto_l1_ball(projected / 2, 2.0), projected / 2)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 4),
    m=st.integers(1, 12),
    k=st.integers(1, 30),
    t=st.floats(0.05, 8),
    seed=st.integers(0, 99),
    positive=st.booleans(),
)
@example(n=5, m=7, k=19, t=4.0, seed=52, positive=False)  # nearly parallel atoms
def test_codes_meet_the_optimality_conditions(n, m, k, t, seed, positive):
    signals, dictionary = random_signals(n, m, k, seed)
    codes, converged, _ = constrained_lasso(signals, dictionary, t, tolerance=1e-11, positive=positive)
    assert converged.all()
    norms = codes.abs().sum(dim=1)
    assert (norms <= t * (1 + 1e-9)).all()
    slack = (signals - codes @ dictionary.T) @ dictionary
    multiplier = (slack.amax(dim=1) if positive else slack.abs().amax(dim=1)).clamp_min(0)
    # Inside the ball the slack is that of least squares, 0; on its boundary every chosen atom has the largest.
    assert (multiplier[norms < t * (1 - 1e-4)] < 1e-4).all()
    chosen = torch.where(codes != 0, slack * codes.sign() - multiplier[:, None], 0.0)
    assert (chosen.abs() * codes.abs()).max() < 1e-6
    assert not positive or codes.min() >= 0


@pytest.mark.parametrize("positive", [False, True])
def test_codes_are_the_lassos_whose_norm_is_the_bound(positive):
    signals, dictionary = random_signals()
    for row in signals:
        penalised = fista(row[None], Dense(dictionary), 0.3, tolerance=1e-13, positive=positive).codes
        bound = penalised.abs().sum().item()
        codes = constrained_lasso(row[None], dictionary, bound, tolerance=1e-12, positive=positive).codes
        torch.testing.assert_close(codes, penalised, atol=1e-5, rtol=1e-5)


def test_a_wide_bound_gives_least_squares():
    signals, dictionary = random_signals(m=12, k=6)
    codes = constrained_lasso(signals, dictionary, 100.0, tolerance=1e-13).codes
    torch.testing.assert_close(codes, torch.linalg.lstsq(dictionary, signals.T).solution.T, atol=1e-6, rtol=1e-6)


def test_the_gap_that_stops_a_signal_bounds_its_distance_from_the_optimum():
    signals, dictionary = random_signals(9, 12, 40)
    best = objective(signals, dictionary, constrained_lasso(signals, dictionary, 1.5, tolerance=1e-12).codes)
    for tolerance in (1e-1, 1e-2, 1e-3):
        codes = constrained_lasso(signals, dictionary, 1.5, tolerance=tolerance).codes
        excess = objective(signals, dictionary, codes) - best
        assert (excess <= tolerance * signals.square().sum(dim=1) / 2).all()


def test_a_signals_code_depends_neither_on_its_batch_mates_nor_on_the_memory_allowed():
    signals, dictionary = random_signals(9, 12, 40)
    whole = constrained_lasso(signals, dictionary, 1.5).codes
    torch.testing.assert_close(
        whole, torch.cat([constrained_lasso(row[None], dictionary, 1.5).codes for row in signals])
    )
    torch.testing.assert_close(whole, constrained_lasso(signals, dictionary, 1.5, max_bytes=1).codes)


def test_a_zero_signal_and_a_solved_start_cost_no_step():
    signals, dictionary = random_signals()
    assert not constrained_lasso(0 * signals, dictionary, 1.0, max_steps=0).codes.any()
    solved = constrained_lasso(signals, dictionary, 1.0, tolerance=1e-9)
    again = constrained_lasso(signals, dictionary, 1.0, tolerance=1e-8, start=solved.state, max_steps=0)
    torch.testing.assert_close(again.codes, solved.codes)
    with pytest.warns(NotConverged, match="The constrained LASSO stopped before 5 of 5"):
        assert not constrained_lasso(signals, dictionary, 1.0, max_steps=1).converged.any()


def test_duplicate_atoms_one_atom_and_no_signal_are_solved():
    signals, dictionary = random_signals()
    twice = torch.cat([dictionary, dictionary], dim=1)
    expected = objective(signals, dictionary, constrained_lasso(signals, dictionary, 1.0, tolerance=1e-10).codes)
    codes = constrained_lasso(signals, twice, 1.0, tolerance=1e-10).codes
    torch.testing.assert_close(objective(signals, twice, codes), expected)
    codes = constrained_lasso(signals, dictionary[:, :1], 1.0, tolerance=1e-13).codes
    torch.testing.assert_close(codes, (signals @ dictionary[:, :1]).clamp(-1, 1), atol=1e-6, rtol=0)
    assert constrained_lasso(signals[:0], dictionary, 1.0).codes.shape == (0, 20)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_low_precision_and_strided_input_is_solved_in_its_dtype(dtype):
    signals, dictionary = random_signals()
    exact = constrained_lasso(signals, dictionary, 1.0, tolerance=1e-8).codes
    strided = torch.stack([signals, signals], dim=-1).to(dtype)[..., 0]
    codes = constrained_lasso(strided, dictionary.to(dtype), 1.0, tolerance=1e-5).codes
    assert codes.dtype == dtype
    tolerance = 0.01 if dtype == torch.float32 else 0.1
    torch.testing.assert_close(codes.double(), exact, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(("k", "t"), [(20, 1.0), (6, 1.0), (6, 100.0)])  # on the boundary; on it; inside
def test_the_implicit_gradient_is_that_of_finite_differences(k, t):
    signals, dictionary = random_signals(n=3, k=k)

    def coded(signals, dictionary):
        return constrained_lasso(signals, dictionary, t, tolerance=1e-13, gradient="implicit").codes

    assert torch.autograd.gradcheck(coded, (signals.requires_grad_(), dictionary.requires_grad_()), fast_mode=True)


def test_the_unrolled_gradient_nears_the_implicit_one_with_more_steps():
    signals, dictionary = random_signals()
    signals.requires_grad_()

    def slope(**settings):
        codes = constrained_lasso(signals, dictionary, 1.0, tolerance=1e-12, **settings).codes
        return torch.autograd.grad(codes.square().sum(), signals)[0]

    exact = slope(gradient="implicit")
    few, many = (slope(gradient="unrolled", unrolled_steps=n) for n in (2, 300))
    assert (many - exact).norm() < 1e-3 * exact.norm() < (few - exact).norm()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"signals": torch.zeros(2, 3)}, "`signals` must have the operator's shape"),
        ({"dictionary": torch.full((4, 4), torch.nan)}, "`dictionary` must be finite"),
        ({"t": 0.0}, "`t` must be positive"),
        ({"start": torch.zeros(2, 3)}, "`start` must have the codes' shape"),
        ({"gradient": "exact"}, "`gradient` must be one of"),
    ],
)
def test_a_problem_that_cannot_be_is_named(settings, message):
    given_settings = {"signals": torch.zeros(2, 4), "dictionary": torch.eye(4), "t": 1.0, **settings}
    with pytest.raises(ValueError, match=message):
        constrained_lasso(**given_settings)


@settings(max_examples=60, deadline=None)
@given(
    scale=st.integers(-6, 30).map(lambda power: 10.0**power),
    radius=st.sampled_from([1e-3, 1.0, 30.0]),
    k=st.integers(1, 12),
    positive=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 99),
)
@example(scale=1e8, radius=1.0, k=2, positive=False, dtype=torch.float32, seed=0)
def test_points_of_any_length_are_projected(scale, radius, k, positive, dtype, seed):
    points = scale * torch.randn(4, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    points[:, 1:2] = 1.0
    points[3, -1] = points[3, 0]  # a tie
    points = points.to(dtype)
    projected = project_onto_l1_ball(points, radius, positive=positive)
    for point, found in zip(points.double().numpy(), projected.double().numpy(), strict=True):
        magnitudes = np.maximum(point, 0) if positive else np.abs(point)
        below = np.sort(magnitudes - magnitudes.max())[::-1]  # no less exact where the radius is lost beside them
        theta = max((np.cumsum(below) - radius) / np.arange(1, k + 1))
        inside = magnitudes.sum() <= radius
        expected = magnitudes if inside else np.maximum(magnitudes - magnitudes.max() - theta, 0)
        loss = 10 * k * torch.finfo(dtype).eps
        np.testing.assert_allclose(found, np.sign(point) * expected, rtol=loss, atol=loss * radius * 10)


def test_a_long_point_is_projected_to_the_nearest_corner():
    expected = torch.tensor([[1.0, 0.0]])
    assert torch.equal(project_onto_l1_ball(torch.tensor([[1e8, 1.0]]), 1.0), expected)
    assert torch.equal(project_onto_l1_ball(torch.tensor([[-3e38, 2e38]]), 1.0), -expected)
    assert project_onto_l1_ball(torch.zeros(2, 0), 1.0).shape == (2, 0)


def test_the_projection_is_differentiated_as_without_the_shift():
    points = 3 * torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    points[0] /= 100  # inside
    assert torch.autograd.gradcheck(lambda x: project_onto_l1_ball(x, 2.0), points.requires_grad_())


@settings(max_examples=20, deadline=None)
@given(power=st.integers(0, 14), positive=st.booleans(), seed=st.integers(0, 99))
@example(power=8, positive=False, seed=0)
def test_signals_of_any_length_are_solved_or_said_not_to_be(power, positive, seed):
    signals, dictionary = random_signals(m=16, k=32, seed=seed, dtype=torch.float32)
    signals = signals * 10.0**power
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConverged)
        codes, converged, _ = constrained_lasso(signals, dictionary, 1.0, positive=positive, max_steps=500)
        double = (signals.double(), dictionary.double())
        best = constrained_lasso(*double, 1.0, positive=positive, tolerance=1e-9, max_steps=2000).codes
    assert codes.isfinite().all()
    # What a code gains over none, without the square of the signal, beside which it would be lost.
    correlations = double[0] @ double[1]

    def gains(codes):
        return (codes * correlations).sum(dim=1) - (codes @ double[1].T).square().sum(dim=1) / 2

    assert (gains(codes.double()) >= (1 - 5e-3) * gains(best))[converged].all()
    assert power > 6 or converged.all()
