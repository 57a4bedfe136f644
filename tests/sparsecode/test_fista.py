import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso

from sparsecode import Convolution, Dense, NotConverged, fista
from sparsecode._accelerated import accelerate
from tests.helpers.random_signals import random_signals


def problem(n, m, k, seed, dtype=torch.float64):
    signals, dictionary = random_signals(n, m, k, seed, dtype)
    return signals, Dense(dictionary)


def convolutional(n=3, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    filters = torch.randn(6, 2, 3, 3, generator=generator, dtype=dtype) / 4
    return torch.randn(n, 2, 8, 7, generator=generator, dtype=dtype), Convolution(filters, (8, 7), 2, "same")


def objective(signals, operator, codes, lmbda):
    rest = (signals - operator.synthesise(codes)).flatten(1)
    return 0.5 * rest.square().sum(dim=1) + lmbda * codes.flatten(1).abs().sum(dim=1)


def assert_optimal(signals, operator, codes, lmbda, positive=False):
    slack = operator.analyse(signals - operator.synthesise(codes))
    assert (slack if positive else slack.abs()).max() <= lmbda * (1 + 1e-5)
    torch.testing.assert_close(slack[codes != 0], lmbda * codes[codes != 0].sign(), atol=1e-5, rtol=0)
    assert not positive or codes.min() >= 0


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 5),
    m=st.integers(1, 12),
    k=st.integers(1, 30),
    lmbda=st.floats(0.05, 3),
    seed=st.integers(0, 99),
    positive=st.booleans(),
)
@example(n=5, m=7, k=19, lmbda=0.05, seed=52, positive=False)  # nearly parallel atoms: plain steps creep
@example(n=5, m=6, k=28, lmbda=0.1, seed=79, positive=False)
def test_codes_meet_the_optimality_conditions(n, m, k, lmbda, seed, positive):
    signals, operator = problem(n, m, k, seed)
    codes, converged, _ = fista(signals, operator, lmbda, tolerance=1e-12, positive=positive)
    assert converged.all()
    assert_optimal(signals, operator, codes, lmbda, positive)


@pytest.mark.parametrize("positive", [False, True])
def test_convolutional_codes_meet_the_optimality_conditions(positive):
    signals, operator = convolutional()
    codes, converged, _ = fista(signals, operator, 0.3, tolerance=1e-12, positive=positive)
    assert converged.all()
    assert 0 < (codes != 0).double().mean() < 0.8
    assert_optimal(signals, operator, codes, 0.3, positive)


@pytest.mark.parametrize("positive", [False, True])
def test_the_objective_is_that_of_scikit_learn(positive):
    signals, operator = problem(20, 16, 60, 0)
    codes = fista(signals, operator, 0.3, tolerance=1e-10, positive=positive).codes
    theirs = Lasso(alpha=0.3 / 16, fit_intercept=False, tol=1e-12, max_iter=100_000, positive=positive)  # divided by m
    atoms = operator.dictionary.numpy()
    expected = torch.tensor(np.array([theirs.fit(atoms, row).coef_.copy() for row in signals.numpy()]))
    torch.testing.assert_close(
        objective(signals, operator, codes, 0.3), objective(signals, operator, expected, 0.3), rtol=1e-7, atol=0
    )


def test_the_gap_that_stops_a_signal_bounds_its_distance_from_the_optimum():
    for signals, operator in (problem(9, 12, 40, 1), convolutional()):
        best = objective(signals, operator, fista(signals, operator, 0.2, tolerance=1e-12).codes, 0.2)
        for tolerance in (1e-1, 1e-2, 1e-3):
            reached = objective(signals, operator, fista(signals, operator, 0.2, tolerance=tolerance).codes, 0.2)
            assert (reached <= best / (1 - tolerance)).all()


@pytest.mark.parametrize("make", [lambda: problem(9, 12, 40, 1), lambda: convolutional(5)])
def test_a_signals_code_depends_neither_on_its_batch_mates_nor_on_the_memory_allowed(make):
    signals, operator = make()
    whole = fista(signals, operator, 0.2).codes
    apart = torch.cat([fista(row[None], operator, 0.2).codes for row in signals])
    torch.testing.assert_close(whole, apart)
    torch.testing.assert_close(whole, fista(signals, operator, 0.2, max_bytes=1).codes)


class Counting(Dense):
    def __init__(self, dictionary):
        super().__init__(dictionary)
        self.most = 0

    def analyse(self, signals):
        self.most = max(self.most, len(signals))
        return super().analyse(signals)


def test_signals_taken_together_at_least_change_nothing_but_how_many_are_unless_memory_forbids(monkeypatch):
    signals, operator = problem(5, 12, 16, 1)
    monkeypatch.setattr("sparsecode._working_memory._CACHE", 1)  # which holds one

    def solved(at_least, max_bytes=2**20):
        counting = Counting(operator.dictionary)
        codes, done = accelerate(
            signals, counting, signals.new_zeros(5, 16), max_steps=2000, max_bytes=max_bytes, tolerance=1e-8,
            at_least=at_least, polish=None, prox=lambda codes, size: codes - codes.clamp(-0.2 * size, 0.2 * size),
            gap=lambda codes, slack, *_: (slack.abs().amax(dim=1) / 0.2 - 1).abs(),
        )  # fmt: skip
        assert done.all()
        return codes, counting.most

    alone, number = solved(at_least=1)
    assert number == 1
    assert_optimal(signals, operator, alone, 0.2)
    for at_least in (2, 50):
        codes, number = solved(at_least)
        assert number == min(at_least, 5)
        torch.testing.assert_close(codes, alone, atol=1e-6, rtol=0)
    each = (12 * 16 + 6 * 12) * 8
    codes, number = solved(at_least=50, max_bytes=3 * each)
    assert number == 3
    torch.testing.assert_close(codes, alone, atol=1e-6, rtol=0)


def test_a_zero_signal_a_large_weight_and_a_solved_start_cost_no_step():
    for signals, operator in (problem(4, 12, 40, 2), convolutional()):
        assert not fista(0 * signals, operator, 0.1, max_steps=0).codes.any()
        assert not fista(signals, operator, operator.analyse(signals).abs().max().item(), max_steps=0).codes.any()
        solved = fista(signals, operator, 0.2, tolerance=1e-9)
        again = fista(signals, operator, 0.2, tolerance=1e-8, start=solved.state, max_steps=0)
        assert torch.equal(again.codes, solved.codes)


def test_a_start_close_by_saves_steps():
    signals, operator = problem(20, 16, 60, 0)
    state = fista(signals, operator, 0.3, tolerance=1e-6).state
    moved = signals + 0.01 * torch.randn_like(signals)
    assert fista(moved, operator, 0.3, start=state, max_steps=40).converged.all()
    with pytest.warns(NotConverged, match=r"FISTA stopped before \d+ of 20 signals"):
        assert not fista(moved, operator, 0.3, max_steps=40).converged.all()


def test_duplicate_atoms_one_atom_and_no_signal_are_solved():
    signals, operator = problem(5, 8, 6, 3)
    expected = objective(signals, operator, fista(signals, operator, 0.2, tolerance=1e-10).codes, 0.2)
    twice = Dense(torch.cat([operator.dictionary, operator.dictionary], dim=1))
    codes = fista(signals, twice, 0.2, tolerance=1e-10).codes
    torch.testing.assert_close(objective(signals, twice, codes, 0.2), expected, rtol=1e-8, atol=0)
    alone = Dense(operator.dictionary[:, :1])
    correlation = alone.analyse(signals)
    shrunk = correlation - correlation.clamp(-0.2, 0.2)
    torch.testing.assert_close(fista(signals, alone, 0.2, tolerance=1e-12).codes, shrunk)
    assert fista(signals[:0], operator, 0.2).codes.shape == (0, 6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_low_precision_and_strided_input_is_solved_in_its_dtype(dtype):
    for signals, operator in (problem(5, 8, 20, 3), convolutional()):
        exact = fista(signals, operator, 0.3, tolerance=1e-6).codes
        doubled = torch.stack([signals, signals], dim=-1).to(dtype)[..., 0]
        codes = fista(doubled, operator.to(dtype), 0.3, tolerance=1e-5).codes
        assert codes.dtype == dtype
        tolerance = 0.02 if dtype == torch.float32 else 0.2
        torch.testing.assert_close(codes.double(), exact, atol=tolerance, rtol=tolerance)


def differentiable(make, gradient, **settings):
    signals, operator = make()

    def coded(signals, atoms):
        fresh = Dense(atoms) if atoms.ndim == 2 else Convolution(atoms, (8, 7), 2, "same")
        return fista(signals, fresh, 0.3, tolerance=1e-13, gradient=gradient, **settings).codes

    return coded, signals.requires_grad_(), operator.atoms.requires_grad_()


@pytest.mark.parametrize("make", [lambda: problem(3, 8, 12, 3), convolutional])
def test_the_implicit_gradient_is_that_of_finite_differences(make):
    coded, *inputs = differentiable(make, "implicit")
    assert torch.autograd.gradcheck(coded, inputs, fast_mode=True)


@pytest.mark.parametrize("make", [lambda: problem(3, 8, 12, 3), convolutional])
def test_the_unrolled_gradient_nears_the_implicit_one_with_more_steps(make):
    def slope(gradient, **settings):
        coded, signals, atoms = differentiable(make, gradient, **settings)
        codes = coded(signals, atoms)
        weights = torch.randn(codes.shape, generator=torch.Generator().manual_seed(1), dtype=codes.dtype)
        return torch.autograd.grad((codes * weights).sum(), [signals, atoms])

    exact = slope("implicit")
    errors = [
        sum((a - b).norm() for a, b in zip(slope("unrolled", unrolled_steps=n), exact, strict=True)) for n in (2, 600)
    ]
    assert errors[1] < 1e-3 * sum(a.norm() for a in exact) < errors[0]


def test_wide_supports_are_differentiated_by_conjugate_gradients_alike(monkeypatch):
    coded, signals, atoms = differentiable(lambda: problem(3, 8, 12, 3), "implicit")
    direct = torch.autograd.grad(coded(signals, atoms).square().sum(), [signals, atoms])
    monkeypatch.setattr("sparsecode._implicit._WIDEST_DIRECT", 0)
    iterated = torch.autograd.grad(coded(signals, atoms).square().sum(), [signals, atoms])
    torch.testing.assert_close(direct, iterated)


def test_without_a_gradient_codes_are_constants_and_inference_mode_serves():
    signals, operator = problem(3, 8, 12, 3)
    coded = fista(signals.requires_grad_(), Dense(operator.dictionary.requires_grad_()), 0.3)
    assert not coded.codes.requires_grad
    with torch.inference_mode():
        torch.testing.assert_close(fista(signals, operator, 0.3).codes, coded.codes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"signals": torch.zeros(2, 3)}, "`signals` must have the operator's shape"),
        (
            {"signals": torch.zeros(2, 4, dtype=torch.float64), "operator": Dense(torch.eye(4, dtype=torch.float32))},
            "must share dtype",
        ),
        ({"signals": torch.full((2, 4), torch.nan)}, "`signals` must be finite"),
        ({"lmbda": 0.0}, "`lmbda` must be positive"),
        ({"tolerance": 0.0}, "`tolerance` must be positive"),
        ({"start": torch.zeros(2, 3)}, "`start` must have the codes' shape"),
        ({"gradient": "exact"}, "`gradient` must be one of"),
        ({"unrolled_steps": 0}, "`unrolled_steps` must be at least 1"),
    ],
)
def test_a_problem_that_cannot_be_is_named(settings, message):
    given_settings = {"signals": torch.zeros(2, 4), "operator": Dense(torch.eye(4)), "lmbda": 0.1, **settings}
    with pytest.raises(ValueError, match=message):
        fista(**given_settings)
