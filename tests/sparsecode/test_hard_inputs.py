"""What coders must not get wrong in silence: sizes, precision, memory, and where a warning points."""

from functools import partial

import pytest
import torch
from torch.nn.functional import normalize
from torch.profiler import ProfilerActivity, profile

from sparsecode import (
    Convolution,
    Dense,
    NotConverged,
    cbpdn,
    constrained_lasso,
    convolve,
    correlate,
    fista,
    lasso,
    lca,
    omp,
)

GENERATOR = torch.Generator().manual_seed(0)
SINGLE = {"generator": GENERATOR, "dtype": torch.float32}  # its range and its bytes are what is tested
DICTIONARY = normalize(torch.randn(16, 32, **SINGLE), dim=0)
SIGNALS = torch.randn(5, 16, **SINGLE)
CODERS = {
    "omp": partial(omp, n_nonzero_coefs=3),
    "omp, torch": partial(omp, n_nonzero_coefs=3, backend="torch"),
    "lasso": partial(lasso, lmbda=0.3),
    "lasso, torch": partial(lasso, lmbda=0.3, backend="torch"),
    "fista": lambda y, d, **settings: fista(y, Dense(d), 0.3, **settings),
    "constrained_lasso": partial(constrained_lasso, t=1.0),
    "lca": partial(lca, lmbda=0.3, tau=20.0, tolerance=1e-2),
}
every_coder = pytest.mark.parametrize("coder", CODERS.values(), ids=CODERS.keys())
differentiable = pytest.mark.parametrize("name", [name for name in CODERS if "," not in name])


@every_coder
@pytest.mark.parametrize("size", [1e20, 1e-25])
def test_signals_whose_squares_leave_the_range_of_floats_are_refused(coder, size):
    with pytest.raises(ValueError, match=r"`signals` must be zero or have a largest magnitude from .*scale them"):
        coder(size * SIGNALS, DICTIONARY)


@every_coder
def test_a_constant_atom_in_bfloat16_is_taken_for_one_of_unit_norm(coder):
    atoms = torch.eye(75, 3, dtype=torch.bfloat16)
    atoms[:, 0] = 75**-0.5  # of norm 0.996 in bfloat16
    assert coder(torch.ones(1, 75, dtype=torch.bfloat16), atoms).codes[0, 0] > 0


@differentiable
def test_a_second_derivative_of_implicit_codes_is_refused_rather_than_wrong(name):
    free = DICTIONARY.clone().requires_grad_()
    codes = CODERS[name](SIGNALS, free, gradient="implicit").codes
    (slope,) = torch.autograd.grad(codes.square().sum(), free, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


@pytest.mark.parametrize("name", ["lasso", "fista", "constrained_lasso", "lca"])
def test_unrolled_codes_are_those_of_the_solver(name):
    codes, _, state = CODERS[name](SIGNALS, DICTIONARY.clone().requires_grad_(), gradient="unrolled")
    solved = torch.nn.functional.softshrink(state, 0.3) if name == "lca" else state
    assert torch.equal(codes.detach(), solved)


@pytest.mark.parametrize("name", ["fista", "constrained_lasso"])
def test_a_zero_dictionary_has_the_zero_code(name):
    codes, converged, _ = CODERS[name](SIGNALS, torch.zeros_like(DICTIONARY))
    assert not codes.any()
    assert converged.all()


def test_the_zero_code_is_no_answer_to_a_small_ball_and_a_large_signal():
    codes = constrained_lasso(1e4 * SIGNALS, DICTIONARY, 1.0).codes
    torch.testing.assert_close(codes.abs().sum(dim=1), codes.new_ones(5), rtol=1e-3, atol=0)
    assert torch.equal(codes.abs().argmax(dim=1), (SIGNALS @ DICTIONARY).abs().argmax(dim=1))


def test_steps_without_a_tolerance_are_all_taken_and_nobody_is_warned():
    coded = lca(SIGNALS, DICTIONARY, 0.3, tolerance=0, n_steps=20)
    assert not coded.converged.any()


@pytest.mark.parametrize(
    "stop_early",
    [
        lambda: lasso(SIGNALS, DICTIONARY, 0.01, max_steps=1),
        lambda: lasso(SIGNALS, DICTIONARY, 0.01, max_steps=1, backend="torch"),
        lambda: fista(SIGNALS, Dense(DICTIONARY), 0.01, max_steps=1),
        lambda: lca(SIGNALS, DICTIONARY, 0.3, n_steps=1),
        lambda: torch.no_grad()(lasso)(SIGNALS, DICTIONARY, 0.01, max_steps=1),
    ],
)
def test_a_warning_points_to_the_line_that_called(stop_early):
    with pytest.warns(NotConverged) as record:
        stop_early()
    line = stop_early.__code__.co_firstlineno
    assert [(warning.filename, warning.lineno) for warning in record] == [(__file__, line)]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: convolve(torch.rand(1, 2, 4, 4), torch.rand(2, 1, 8, 8)),
        lambda: convolve(torch.rand(1, 1, 8, 8), torch.rand(2, 1, 3, 3)),
        lambda: correlate(torch.rand(1, 1, 8, 8), torch.rand(2, 3, 3, 3)),
    ],
)
def test_maps_and_filters_that_do_not_fit_are_refused_rather_than_broadcast(wrong):
    with pytest.raises(ValueError, match="must be"):
        wrong()


def _peak(run):
    """Most bytes that torch held at one time for a call."""
    run()  # compiled, and cached what it caches
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        run()
    events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


LIMIT = 2**20
MANY = normalize(torch.randn(4000, 32, **SINGLE), dim=1)
ATOMS = torch.eye(32, dtype=torch.float32).repeat(1, 4)
CODES = 4000 * 128 * 4
IMAGES = torch.rand(12, 1, 16, 16, **SINGLE)
FILTERS = normalize(torch.randn(16, 9, **SINGLE), dim=1).view(16, 1, 3, 3)
MAPS = 12 * 16 * 256 * 4
# name -> what is run, and the bytes of its results: the compiled coders' codes are NumPy's, which torch does not count.
RUNS = {
    "omp": (lambda: omp(MANY, ATOMS, 4, max_bytes=LIMIT), 0),
    "omp, torch": (lambda: omp(MANY, ATOMS, 4, backend="torch", max_bytes=LIMIT), 0),
    "lasso": (lambda: lasso(MANY, ATOMS, 0.2, max_bytes=LIMIT), 0),
    "lasso, torch": (lambda: lasso(MANY, ATOMS, 0.2, backend="torch", max_bytes=LIMIT), CODES),
    "constrained_lasso": (lambda: constrained_lasso(MANY, ATOMS, 1.0, max_bytes=LIMIT), CODES),
    "lca, with its potentials": (lambda: lca(MANY, ATOMS, 0.2, n_steps=20, tolerance=0, max_bytes=LIMIT), 2 * CODES),
    "cbpdn, torch, with its duals": (
        lambda: cbpdn(IMAGES, FILTERS, 0.2, backend="torch", max_bytes=LIMIT),
        2 * MAPS,
    ),
    "fista, convolutional": (
        lambda: fista(IMAGES, Convolution(FILTERS, (16, 16)), 0.2, max_bytes=LIMIT),
        12 * 16 * 196 * 4,
    ),
}


@pytest.mark.parametrize(("run", "results"), RUNS.values(), ids=RUNS.keys())
def test_working_memory_beside_the_results_keeps_its_bound(run, results):
    # The Gram matrix and flags a signal are counted with the results: they do not shrink with the runs.
    assert _peak(run) <= results + LIMIT + 4 * 128 * 128 + 64 * 4000
