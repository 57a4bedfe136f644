"""Learning in passes: the closed form, an objective that falls, processes and dead atoms."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from sparsecode import MethodOfOptimalDirections, extract_patches, lasso, omp
from sparsecode.coded import Coded
from sparsecode.method_of_optimal_directions import optimal_atoms
from tests.helpers.real_digits import mnist_data

pursuit = partial(omp, n_nonzero_coefs=3)


@pytest.fixture(scope="module")
def patches():
    images = torch.tensor(mnist_data()[0][::20]).double().view(-1, 1, 28, 28) / 255
    cut = extract_patches(images, 5, 3).flatten(0, 1)
    cut = cut[cut.square().sum(dim=1) > 0.1]
    return cut[torch.randperm(len(cut), generator=torch.Generator().manual_seed(0))]


def learn(start, batches, passes, coder=pursuit, lmbda=0.0, reduce=lambda tensor: tensor):
    learner, metrics = MethodOfOptimalDirections(start, coder, lmbda=lmbda), []
    for _ in range(passes):
        for batch in batches:
            learner.add(batch)
        metrics.append(learner.update(reduce))
    return learner, metrics


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(1, 8), st.integers(1, 12), st.integers(1, 30))
def test_optimal_atoms_are_the_least_squares_fit(seed, m, k, n):
    generator = torch.Generator().manual_seed(seed)
    signals, codes, dictionary = (
        torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((n, m), (n, k), (m, k))
    )
    codes[:, 0] = 0
    fitted = optimal_atoms(dictionary, codes.T @ codes, signals.T @ codes)
    nearest = dictionary.T + torch.linalg.pinv(codes) @ (signals - codes @ dictionary.T)
    torch.testing.assert_close(codes @ fitted.T, codes @ nearest, rtol=1e-5, atol=1e-5)
    assert torch.equal(fitted[:, 0], dictionary[:, 0])


def test_an_atom_that_is_seldom_used_is_fitted_as_well_as_the_others():
    codes = torch.diag(torch.tensor([1e6, 1.0, 1e-3], dtype=torch.float64))
    signals = torch.diag(torch.tensor([2e6, 3.0, 4e-3], dtype=torch.float64))
    fitted = optimal_atoms(torch.eye(3), codes.T @ codes, signals.T @ codes)
    torch.testing.assert_close(fitted, torch.diag(torch.tensor([2.0, 3.0, 4.0])))


@pytest.mark.parametrize(
    ("coder", "lmbda"),
    [
        (pursuit, 0.0),
        (partial(omp, n_nonzero_coefs=2, rule="ormp"), 0.0),
        (partial(lasso, lmbda=0.3, tolerance=1e-6), 0.3),
    ],
)
def test_the_objective_falls_from_pass_to_pass(patches, coder, lmbda):
    learner, metrics = learn(patches[:40].T, patches[:2000].split(500), 8, coder, lmbda)
    objectives = [one["objective"] for one in metrics]
    assert objectives == sorted(objectives, reverse=True)
    assert objectives[-1] < (0.7 if lmbda == 0 else 0.97) * objectives[0]
    assert not learner.converged
    torch.testing.assert_close(learner.dictionary.norm(dim=0), torch.ones(40, dtype=torch.float64))


def test_metrics_are_means_over_the_pass_before_the_update(patches):
    start = normalize(patches[:40].T, dim=0)
    _, (first,) = learn(start, patches[:700].split(300), 1, partial(lasso, lmbda=0.3, tolerance=1e-9), 0.3)
    codes = lasso(patches[:700], start, 0.3, tolerance=1e-9)[0]
    half = 0.5 * (patches[:700] - codes @ start.T).square().sum().item() / 700
    assert first["half_residual"] == pytest.approx(half, rel=1e-4)
    assert first["objective"] == pytest.approx(half + 0.3 * codes.abs().sum().item() / 700, rel=1e-4)
    assert first["nonzeros"] == pytest.approx((codes != 0).sum().item() / 700, rel=1e-3)


def test_where_the_coder_codes_worse_with_a_better_dictionary_the_best_one_stays(patches):
    signals, start = patches[:500], normalize(patches[:40].T, dim=0)

    def obstinate(signals, dictionary):
        codes, converged, _ = omp(signals, dictionary, 3)
        return Coded(codes * torch.allclose(dictionary, start), converged)

    learner, metrics = learn(start, [signals], 6, obstinate)
    assert learner.converged
    torch.testing.assert_close(learner.dictionary, start)
    assert all(one["objective"] > metrics[0]["objective"] for one in metrics[1:])


def test_half_a_step_is_taken_where_a_whole_one_is_too_far(patches):
    signals, start = patches[:500], normalize(patches[:40].T, dim=0)
    seen = []

    def wary(signals, dictionary):
        seen.append(dictionary)
        codes, converged, _ = omp(signals, dictionary, 3)
        return Coded(codes * (len(seen) != 2), converged)

    _, metrics = learn(start, [signals], 4, wary)
    optimum = optimal_atoms(start, *((c := omp(signals, start, 3).codes).T @ c, signals.T @ c))
    torch.testing.assert_close(seen[1], normalize(optimum, dim=0))
    torch.testing.assert_close(seen[2], normalize(start + optimum, dim=0))
    assert metrics[1]["objective"] > metrics[0]["objective"] > metrics[2]["objective"] > metrics[3]["objective"]


def test_processes_that_add_their_sums_learn_what_one_learns_from_all(together, patches):
    patches = patches.clone()
    patches[:, 0] = 0
    start, signals = patches[:40].T.clone(), patches[:1200]
    start[:, 4] = torch.eye(25)[0]  # needed by no signal: to be replaced, by the same one everywhere
    alone, metrics = learn(start, signals.split(200), 4)
    shares = [signals[::2], signals[:0], signals[1::2]]
    group = together(3, lambda rank, reduce: learn(start, shares[rank].split(150), 4, reduce=reduce))
    for learner, reported in group:
        assert torch.equal(learner.dictionary, group[0][0].dictionary)
        torch.testing.assert_close(learner.dictionary, alone.dictionary)
        torch.testing.assert_close(reported, metrics)
    assert metrics[0]["replaced"] == 1


def test_duplicate_atoms_make_room_for_the_worst_represented_signals_of_the_pass(patches):
    start = normalize(patches[:20].T, dim=0)
    start[:, 7] = -start[:, 3]
    learner, (metrics,) = learn(start, patches[:1000].split(100), 1)
    errors = (patches[:1000] - omp(patches[:1000], start, 3).codes @ start.T).square().sum(dim=1)
    assert metrics["replaced"] == 1
    cosines = normalize(patches[errors.argmax()], dim=0) @ learner.dictionary[:, [3, 7]]
    assert cosines.max() == pytest.approx(1)


def test_half_precision_is_learned_in_single(patches):
    learner, metrics = learn(patches[:40].T.bfloat16(), patches[:600].bfloat16().split(200), 3)
    assert learner.dictionary.dtype == torch.float32
    assert metrics[2]["objective"] < metrics[0]["objective"]


def test_settings_and_passes_that_cannot_be_are_named():
    with pytest.raises(ValueError, match="`lmbda` must be at least 0, found -1"):
        MethodOfOptimalDirections(torch.eye(3), pursuit, lmbda=-1)
    with pytest.raises(ValueError, match="`dictionary` must be finite and have no zero column"):
        MethodOfOptimalDirections(torch.zeros(3, 3), pursuit)
    learner = MethodOfOptimalDirections(torch.eye(3), pursuit)
    learner.add(torch.zeros(0, 3))
    with pytest.raises(ValueError, match="`add` must be given signals before `update`"):
        learner.update()
