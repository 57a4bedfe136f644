import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsecode import Convolution, Dense, NotConverged, fista, lca
from sparsecode.lca_dynamics import LCADynamics
from tests.helpers.random_signals import random_signals


def problem(n=4, m=12, k=20, seed=0, dtype=torch.float64):
    return random_signals(n, m, k, seed, dtype)


def convolutional(n=3, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    filters = torch.randn(6, 2, 3, 3, generator=generator, dtype=dtype)
    filters = filters / filters.flatten(1).norm(dim=1)[:, None, None, None]
    return torch.randn(n, 2, 8, 7, generator=generator, dtype=dtype), filters


FORMS = [(problem, {}), (convolutional, {"stride": 2, "padding": "same"})]
QUICK = {"tau": 10.0, "n_steps": 20_000, "tolerance": 1e-9}


def operator_of(dictionary, form):
    return Dense(dictionary) if dictionary.ndim == 2 else Convolution(dictionary, (8, 7), **form)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(("make", "form"), FORMS)
def test_a_soft_threshold_rests_at_the_lassos_minimum(make, form, positive):
    signals, dictionary = make()
    codes, converged, _ = lca(signals, dictionary, 0.3, positive=positive, **form, **QUICK)
    best = fista(signals, operator_of(dictionary, form), 0.3, positive=positive, tolerance=1e-13).codes
    assert converged.all()
    torch.testing.assert_close(codes, best, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("make", "form"), FORMS)
def test_a_hard_threshold_rests_where_chosen_atoms_leave_nothing_and_the_others_too_little(make, form):
    signals, dictionary = make()
    codes = lca(signals, dictionary, 0.7, threshold="hard", **form, **QUICK).codes
    operator = operator_of(dictionary, form)
    slack = operator.analyse(signals - operator.synthesise(codes))
    assert codes.any()
    assert slack[codes != 0].abs().max() < 1e-8
    assert slack.abs().max() <= 0.7
    assert codes[codes != 0].abs().min() > 0.7


@pytest.mark.parametrize("threshold", ["soft", "hard"])
@pytest.mark.filterwarnings("ignore::sparsecode.NotConverged")
def test_steps_are_eulers_on_the_published_equation_with_lateral_weights(threshold):
    signals, dictionary = problem()
    lateral = dictionary.T @ dictionary - torch.eye(20, dtype=torch.float64)
    u = torch.zeros(4, 20, dtype=torch.float64)
    dynamics = LCADynamics(0.3, threshold)
    for _ in range(57):
        u = u + (signals @ dictionary - u - dynamics.code(u) @ lateral) / 30
    coded = lca(signals, dictionary, 0.3, threshold=threshold, tau=30, n_steps=57, tolerance=0)
    torch.testing.assert_close(coded.state, u)
    torch.testing.assert_close(coded.codes, dynamics.code(u))


@pytest.mark.filterwarnings("ignore::sparsecode.NotConverged")
def test_orthonormal_atoms_charge_exponentially_and_do_not_compete():
    signals, _ = problem(m=12)
    dictionary = torch.linalg.qr(torch.randn(12, 12, dtype=torch.float64)).Q
    state = lca(signals, dictionary, 0.3, tau=20, n_steps=40, tolerance=0).state
    torch.testing.assert_close(state, signals @ dictionary * (1 - (1 - 1 / 20) ** 40))


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(FORMS), st.sampled_from(["soft", "hard"]), st.booleans(), st.floats(0.05, 1), st.integers(0, 99))
def test_the_energy_falls_along_the_dynamics(form, threshold, positive, lmbda, seed):
    signals, dictionary = form[0](seed=seed)
    operator = operator_of(dictionary, form[1])
    dynamics = LCADynamics(lmbda, threshold, 200.0, positive)
    u = torch.zeros(len(signals), *operator.code_shape, dtype=torch.float64)
    energy = dynamics.energy(u, signals, operator)
    for _ in range(100):
        u = dynamics.step(u, signals, operator)
        before, energy = energy, dynamics.energy(u, signals, operator)
        # A step of finite length may turn an atom on a little late.
        assert (energy <= before * (1 + 1e-3) + 1e-9).all()


@pytest.mark.parametrize(("make", "form"), FORMS)
def test_a_signals_code_depends_neither_on_its_batch_mates_nor_on_the_memory_allowed(make, form):
    signals, dictionary = make()
    settings = {**form, **QUICK, "tolerance": 1e-3}
    whole = lca(signals, dictionary, 0.3, **settings)
    apart = torch.cat([lca(row[None], dictionary, 0.3, **settings).state for row in signals])
    torch.testing.assert_close(whole.state, apart)
    torch.testing.assert_close(whole.state, lca(signals, dictionary, 0.3, max_bytes=1, **settings).state)


@pytest.mark.parametrize(("make", "form"), FORMS)
def test_a_zero_signal_and_a_start_at_rest_cost_one_step(make, form):
    signals, dictionary = make()
    assert not lca(0 * signals, dictionary, 0.3, n_steps=1, **form).codes.any()
    rested = lca(signals, dictionary, 0.3, **form, **QUICK)
    again = lca(signals, dictionary, 0.3, start=rested.state, n_steps=1, **form)
    assert again.converged.all()
    torch.testing.assert_close(again.codes, rested.codes)


def test_what_is_not_at_rest_is_flagged_whether_it_creeps_or_explodes():
    signals, dictionary = problem()
    signals[0] = 0
    for given_settings in ({"n_steps": 20}, {"n_steps": 0}, {"tau": 0.1, "n_steps": 500}):
        with pytest.warns(NotConverged, match="The LCA stopped before"):
            converged = lca(signals, dictionary, 0.3, **given_settings).converged
        assert converged.tolist() == [given_settings["n_steps"] > 0, False, False, False]


def test_duplicate_atoms_one_atom_and_no_signal_are_settled():
    signals, dictionary = problem()
    twice = torch.cat([dictionary, dictionary], dim=1)
    codes = lca(signals, twice, 0.3, **QUICK).codes
    torch.testing.assert_close(codes @ twice.T, lca(signals, dictionary, 0.3, **QUICK).codes @ dictionary.T)
    correlation = signals @ dictionary[:, :1]
    shrunk = correlation - correlation.clamp(-0.3, 0.3)
    torch.testing.assert_close(lca(signals, dictionary[:, :1], 0.3, **QUICK).codes, shrunk, atol=1e-8, rtol=0)
    assert lca(signals[:0], dictionary, 0.3).codes.shape == (0, 20)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("make", "form"), FORMS)
def test_low_precision_and_strided_input_is_settled_in_its_dtype(make, form, dtype):
    signals, dictionary = make()
    settings = {"tau": 10.0, "tolerance": 1e-4, "n_steps": 5000, **form}
    exact = lca(signals, dictionary, 0.5, **settings).codes
    strided = torch.stack([signals, signals], dim=-1).to(dtype)[..., 0]
    codes = lca(strided, dictionary.to(dtype), 0.5, **settings).codes
    assert codes.dtype == dtype
    tolerance = 1e-3 if dtype == torch.float32 else 0.1
    torch.testing.assert_close(codes.double(), exact, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("threshold", ["soft", "hard"])
@pytest.mark.parametrize(("make", "form"), FORMS)
def test_the_implicit_gradient_is_that_of_finite_differences(make, form, threshold):
    signals, dictionary = make(n=2, seed=1)
    settings = {**form, **QUICK, "tau": 5.0, "tolerance": 1e-10, "threshold": threshold, "gradient": "implicit"}
    settings["start"] = lca(signals, dictionary, 0.4, **settings).state  # finite differences move it little
    inputs = signals.requires_grad_(), dictionary.requires_grad_()
    assert torch.autograd.gradcheck(lambda y, d: lca(y, d, 0.4, **settings).codes, inputs, fast_mode=True)


def test_the_unrolled_gradient_nears_the_implicit_one_with_more_steps():
    signals, dictionary = problem()
    signals.requires_grad_()

    def slope(**settings):
        codes = lca(signals, dictionary, 0.4, **QUICK, **settings).codes
        return torch.autograd.grad(codes.square().sum(), signals)[0]

    exact = slope(gradient="implicit")
    few, many = (slope(gradient="unrolled", unrolled_steps=n) for n in (5, 2000))
    assert (many - exact).norm() < 1e-3 * exact.norm() < (few - exact).norm()


def test_memory_grows_with_the_steps_unrolled_alone():
    signals, dictionary = problem()
    signals.requires_grad_()

    def kept(**settings):
        tensors = []
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensors.append(tensor) or tensor, lambda x: x):
            lca(signals, dictionary, 0.4, tau=10, tolerance=1e-3, **settings)
        return len(tensors)

    assert kept(n_steps=5000) == kept(n_steps=9000) <= 1  # the check of the signals
    unrolled = {"gradient": "unrolled", "unrolled_steps": 5}
    assert kept(n_steps=5000, **unrolled) == kept(n_steps=9000, **unrolled) > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"signals": torch.zeros(2, 3)}, "`signals` must have the operator's shape"),
        ({"signals": torch.zeros(2, 3, 4, 4)}, "`signals` and `dictionary` must be"),
        ({"signals": torch.full((2, 4), torch.nan)}, "`signals` must be finite"),
        ({"lmbda": 0.0}, "`lmbda` must be positive"),
        ({"tau": 0.0}, "`tau` must be positive"),
        ({"tolerance": -1.0}, "`tolerance` must be at least 0"),
        ({"n_steps": -1}, "`n_steps` and `tolerance` must be at least 0"),
        ({"threshold": "firm"}, "`threshold` must be one of soft, hard"),
        ({"start": torch.zeros(2, 3)}, "`start` must have the codes' shape"),
        ({"gradient": "exact"}, "`gradient` must be one of"),
        ({"max_bytes": 0}, "`max_bytes` must be at least 1"),
    ],
)
def test_a_problem_that_cannot_be_is_named(settings, message):
    given_settings = {"signals": torch.zeros(2, 4), "dictionary": torch.eye(4), "lmbda": 0.1, **settings}
    with pytest.raises(ValueError, match=message):
        lca(**given_settings)
