"""The LASSO: optimality conditions, scikit-learn, SPAMS and finite differences, on both backends."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso
from torch.nn.functional import normalize

from sparsecode import NotConverged, lasso
from tests.helpers.random_signals import random_signals

both = pytest.mark.parametrize("backend", ["native", "torch"])
signs = pytest.mark.parametrize("positive", [False, True])


def objective(signals, dictionary, codes, lmbda):
    return 0.5 * (signals - codes @ dictionary.T).square().sum(dim=1) + lmbda * codes.abs().sum(dim=1)


def assert_optimal(signals, dictionary, codes, lmbda, positive):
    slack = (signals - codes @ dictionary.T) @ dictionary
    assert (slack if positive else slack.abs()).max() <= lmbda * (1 + 1e-5)
    used = codes != 0
    torch.testing.assert_close(slack[used], lmbda * codes[used].sign(), atol=1e-5, rtol=0)
    assert not positive or codes.min() >= 0


@both
@signs
@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 5), m=st.integers(1, 12), k=st.integers(1, 30), lmbda=st.floats(0.05, 3), seed=st.integers(0, 99)
)
@example(n=5, m=7, k=19, lmbda=0.05, seed=52)  # nearly parallel atoms: moves of one coefficient alone creep
@example(n=5, m=6, k=28, lmbda=0.1, seed=79)
def test_codes_meet_the_optimality_conditions(backend, positive, n, m, k, lmbda, seed):
    signals, dictionary = random_signals(n, m, k, seed)
    codes, converged, _ = lasso(signals, dictionary, lmbda, tolerance=1e-12, positive=positive, backend=backend)
    assert converged.all()
    assert_optimal(signals, dictionary, codes, lmbda, positive)


@signs
def test_many_thousand_problems_of_every_shape_are_solved_to_rounding(positive):
    for seed in range(60):
        m, k, lmbda = 1 + seed % 13, 1 + 7 * seed % 31, (0.02, 0.1, 0.5)[seed % 3]
        signals, dictionary = random_signals(200, m, k, seed)
        codes, converged, _ = lasso(signals, dictionary, lmbda, tolerance=1e-11, positive=positive)
        assert converged.all()
        assert_optimal(signals, dictionary, codes, lmbda, positive)


@both
@signs
@pytest.mark.parametrize(("m", "k"), [(16, 10), (16, 60)])
def test_the_objective_is_that_of_scikit_learn(backend, positive, m, k):
    signals, dictionary = random_signals(20, m, k, 0)
    codes = lasso(signals, dictionary, 0.3, tolerance=1e-10, positive=positive, backend=backend).codes
    theirs = Lasso(alpha=0.3 / m, fit_intercept=False, tol=1e-12, max_iter=100_000, positive=positive)
    expected = torch.tensor(np.array([theirs.fit(dictionary.numpy(), row).coef_.copy() for row in signals.numpy()]))
    torch.testing.assert_close(
        objective(signals, dictionary, codes, 0.3), objective(signals, dictionary, expected, 0.3), rtol=1e-7, atol=0
    )


@both
def test_codes_are_those_of_spams(backend):
    spams = pytest.importorskip("spams")
    signals, dictionary = random_signals(200, 32, 100, 1)
    arrays = np.asfortranarray(signals.numpy().T), np.asfortranarray(dictionary.numpy())
    expected = torch.from_numpy(spams.lasso(*arrays, lambda1=1.0, mode=2, numThreads=1).toarray().T)
    codes = lasso(signals, dictionary, 1.0, tolerance=1e-12, backend=backend).codes
    torch.testing.assert_close(codes, expected, rtol=0, atol=1e-6)


@both
@pytest.mark.parametrize("tolerance", [1e-1, 1e-3])
def test_the_objective_is_as_near_the_least_as_the_tolerance_says(backend, tolerance):
    signals, dictionary = random_signals(300, 24, 80, 2)
    least = objective(signals, dictionary, lasso(signals, dictionary, 0.3, tolerance=1e-12).codes, 0.3)
    found = lasso(signals, dictionary, 0.3, tolerance=tolerance, backend=backend).codes
    excess = objective(signals, dictionary, found, 0.3) / least - 1
    assert excess.max() <= tolerance / (1 - tolerance)
    assert excess.max() > 0


@both
def test_a_code_depends_neither_on_batch_mates_nor_on_the_memory_allowed(backend):
    signals, dictionary = random_signals(9, 12, 40, 1)
    whole = lasso(signals, dictionary, 0.2, tolerance=1e-9, backend=backend).codes
    apart = torch.cat([lasso(row[None], dictionary, 0.2, tolerance=1e-9, backend=backend).codes for row in signals])
    torch.testing.assert_close(whole, apart)
    split = lasso(signals, dictionary, 0.2, tolerance=1e-9, backend=backend, max_bytes=2000).codes
    torch.testing.assert_close(whole, split)
    assert lasso(signals[:0], dictionary, 0.2, backend=backend).codes.shape == (0, 40)


@both
def test_a_zero_signal_a_large_weight_and_a_solved_start_cost_nothing(backend):
    signals, dictionary = random_signals(4, 12, 40, 2)
    assert not lasso(0 * signals, dictionary, 0.1, backend=backend).codes.any()
    assert not lasso(signals, dictionary, (signals @ dictionary).abs().max().item(), backend=backend).codes.any()
    solved = lasso(signals, dictionary, 0.2, tolerance=1e-9, backend=backend)
    before = solved.state.clone()
    again = lasso(signals, dictionary, 0.2, tolerance=1e-8, start=solved.state, max_steps=1, backend=backend)
    assert again.converged.all()
    torch.testing.assert_close(again.codes, solved.codes)
    assert torch.equal(solved.state, before)


@both
@signs
def test_a_warm_start_ends_where_a_cold_one_does(backend, positive):
    signals, dictionary = random_signals(50, 16, 60, 3)
    settings = {"tolerance": 1e-11, "positive": positive, "backend": backend}
    state = lasso(signals, dictionary, 0.3, **settings).state
    moved = signals + 0.1 * random_signals(50, 16, 60, 4)[0]
    warm = lasso(moved, dictionary, 0.3, start=state, **settings).codes
    torch.testing.assert_close(warm, lasso(moved, dictionary, 0.3, **settings).codes, atol=1e-7, rtol=1e-6)
    wrong = lasso(moved, dictionary, 0.3, start=torch.randn_like(state), **settings).codes
    torch.testing.assert_close(warm, wrong, atol=1e-7, rtol=1e-6)


@both
def test_duplicate_atoms_and_one_atom_are_solved(backend):
    signals, dictionary = random_signals(5, 8, 6, 3)
    once = lasso(signals, dictionary, 0.2, tolerance=1e-10, backend=backend).codes
    twice = torch.cat([dictionary, dictionary], dim=1)
    codes, converged, _ = lasso(signals, twice, 0.2, tolerance=1e-10, backend=backend)
    assert converged.all()
    torch.testing.assert_close(codes[:, :6] + codes[:, 6:], once, atol=1e-6, rtol=1e-6)
    only = lasso(signals, dictionary[:, :1], 0.2, backend=backend).codes
    correlation = signals @ dictionary[:, :1]
    torch.testing.assert_close(only, correlation - correlation.clamp(-0.2, 0.2))


@both
def test_single_half_and_non_contiguous_input_are_coded_alike(backend):
    signals, dictionary = random_signals(50, 16, 40, 6)
    expected = lasso(signals, dictionary, 0.4, tolerance=1e-9, backend=backend).codes
    strided = torch.stack([signals, signals], dim=2)[:, :, 0], dictionary.T.contiguous().T
    torch.testing.assert_close(lasso(*strided, 0.4, tolerance=1e-9, backend=backend).codes, expected)
    single = lasso(signals.float(), dictionary.float(), 0.4, tolerance=1e-5, backend=backend).codes
    torch.testing.assert_close(single.double(), expected, rtol=0, atol=2e-2)
    half = lasso(signals.bfloat16(), dictionary.bfloat16(), 0.4, tolerance=1e-4, backend=backend).codes
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(
        objective(signals, dictionary, half.double(), 0.4), objective(signals, dictionary, expected, 0.4), rtol=0.02,
        atol=0,
    )  # fmt: skip


@both
def test_what_has_not_converged_is_flagged_and_said_once(backend):
    signals, dictionary = random_signals(5, 12, 40, 2)
    with pytest.warns(NotConverged, match="5 of 5 signals met its tolerance; raise `max_steps`") as warned:
        converged = lasso(signals, dictionary, 0.05, max_steps=2, tolerance=1e-6, backend=backend).converged
    assert not converged.any()
    assert len(warned) == 1


@both
@pytest.mark.parametrize(("gradient", "steps"), [("implicit", 1), ("unrolled", 2000)])
def test_gradients_are_those_of_finite_differences(backend, gradient, steps):
    signals, dictionary = random_signals(3, 8, 12, 9)
    weights = torch.arange(12.0, dtype=torch.float64).cos()

    def loss(y, d, gradient="none"):
        unit = normalize(d, dim=0)
        settings = {"tolerance": 1e-14, "gradient": gradient, "unrolled_steps": steps, "backend": backend}
        return (lasso(y, unit, 0.5, **settings).codes * weights).sum()

    free = signals.clone().requires_grad_(), dictionary.clone().requires_grad_()
    found = torch.autograd.grad(loss(*free, gradient), free)
    for which, gradients in enumerate(found):
        for place in range(0, gradients.numel(), 5):
            nudge = torch.zeros_like(gradients)
            nudge.view(-1)[place] = 1e-6
            up, down = [[signals, dictionary], [signals, dictionary]]
            up[which], down[which] = up[which] + nudge, down[which] - nudge
            slope = (loss(*up) - loss(*down)) / 2e-6
            assert abs(gradients.view(-1)[place] - slope) < 1e-4


@pytest.mark.parametrize(
    ("signals", "dictionary", "settings", "message"),
    [
        (torch.zeros(2, 3), torch.eye(4), {}, "must share m"),
        (torch.zeros(2, 4), torch.eye(4), {"lmbda": 0.0}, "`lmbda` must be positive"),
        (torch.zeros(2, 4), torch.eye(4), {"tolerance": 0.0}, "`tolerance` must be positive"),
        (torch.zeros(2, 4), 2 * torch.eye(4), {}, "`dictionary` must have unit-norm columns"),
        (torch.zeros(2, 4) / 0, torch.eye(4), {}, "`signals` must be finite"),
        (torch.zeros(2, 4), torch.eye(4), {"start": torch.zeros(2, 3)}, r"`start` must have the codes' shape \(2, 4\)"),
        (torch.zeros(2, 4), torch.eye(4), {"gradient": "exact"}, "`gradient` must be one of"),
        (torch.zeros(2, 4), torch.eye(4), {"backend": "cuda"}, "`backend` must be native, torch or None"),
    ],
)
def test_a_problem_that_cannot_be_is_named(signals, dictionary, settings, message):
    with pytest.raises(ValueError, match=message):
        lasso(signals, dictionary, **{"lmbda": 0.1} | settings)


def test_threads_share_the_signals_without_changing_a_code():
    signals, dictionary = random_signals(1500, 16, 60, 8)
    one = lasso(signals, dictionary, 0.3).codes
    torch.set_num_threads(3)
    try:
        torch.testing.assert_close(lasso(signals, dictionary, 0.3).codes, one)
    finally:
        torch.set_num_threads(1)
