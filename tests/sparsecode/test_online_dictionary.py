"""Online dictionary learning: against scikit-learn, over processes, and what it does with dead atoms."""

from functools import partial

import pytest
import torch
from sklearn.decomposition import MiniBatchDictionaryLearning
from torch.nn.functional import normalize

from sparsecode import OnlineDictionary, extract_patches, lasso, omp
from tests.helpers.real_digits import mnist_data

coder = partial(lasso, lmbda=0.3, tolerance=1e-4)


@pytest.fixture(scope="module")
def patches():
    images = torch.tensor(mnist_data()[0][::10]).float().view(-1, 1, 28, 28) / 255
    cut = extract_patches(images, 5, 3).flatten(0, 1)
    cut = cut[cut.square().sum(dim=1) > 0.1]
    return cut[torch.randperm(len(cut), generator=torch.Generator().manual_seed(0))]


def with_unused_atom(patches):
    """A start of 30 atoms, the tenth of which nothing needs, and the other patches."""
    patches = patches.clone()
    patches[:, 0] = 0
    start = patches[:30].T.clone()
    start[:, 9] = torch.eye(25)[0]
    return start, patches[30:]


def learn(start, batches, **settings):
    learner = OnlineDictionary(start, coder, **settings)
    return learner, [learner.step(batch) for batch in batches]


@pytest.mark.parametrize("dead_after", [None, 150])
def test_processes_that_add_their_sums_learn_what_one_learns_from_all(together, patches, dead_after):
    start, batches = with_unused_atom(patches[:1030].double())
    batches = batches.split(200)
    alone, metrics = learn(start, batches, dead_after=dead_after)

    def work(rank, reduce):
        learner = OnlineDictionary(start, coder, dead_after=dead_after)
        return learner, [learner.step(batch.split([150, 0, 50])[rank], reduce) for batch in batches]

    group = together(3, work)
    for learner, reported in group:
        assert torch.equal(learner.dictionary, group[0][0].dictionary)
        torch.testing.assert_close(learner.dictionary, alone.dictionary)
        torch.testing.assert_close(reported, metrics)
    assert sum(step["replaced"] for step in metrics) > 0


def test_the_same_start_and_stream_give_the_same_dictionary(patches):
    one, other = (learn(patches[:40].T, patches[100:1100].split(200), dead_after=100)[0] for _ in range(2))
    assert torch.equal(one.dictionary, other.dictionary)
    torch.testing.assert_close(one.dictionary.norm(dim=0), one.dictionary.new_ones(40))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_learned_dictionary_beats_random_patches_and_scikit_learn_on_the_same_batches(patches):
    held_out, start, batches = patches[:500], patches[500:560].T, patches[1000:].split(256)[:12]
    ours, _ = learn(start, batches)
    theirs = MiniBatchDictionaryLearning(
        60, alpha=0.3, batch_size=256, dict_init=normalize(start, dim=0).T.numpy(), fit_algorithm="cd", random_state=0
    )
    for batch in batches:
        theirs.partial_fit(batch.numpy())

    def value(dictionary):
        dictionary = normalize(dictionary.float(), dim=0)
        codes = lasso(held_out, dictionary, 0.3, tolerance=1e-5)[0]
        return (0.5 * (held_out - codes @ dictionary.T).square().sum(dim=1) + 0.3 * codes.abs().sum(dim=1)).mean()

    assert value(ours.dictionary) < 0.99 * value(start)
    assert value(ours.dictionary) <= 1.002 * value(torch.tensor(theirs.components_.T))


def test_metrics_are_means_over_the_batch_before_the_update(patches):
    start = normalize(patches[:40].T, dim=0)
    learner, (first,) = learn(start, [patches[100:300]])
    codes = lasso(patches[100:300], start, 0.3, tolerance=1e-4)[0]
    assert first["half_residual"] == pytest.approx(
        0.5 * (patches[100:300] - codes @ start.T).square().sum().item() / 200, rel=1e-4
    )
    assert first["l1"] == pytest.approx(codes.abs().sum().item() / 200, rel=1e-4)
    assert first["nonzeros"] == pytest.approx((codes != 0).sum().item() / 200)
    assert learner.step(patches[:0]) == {"half_residual": 0, "l1": 0, "nonzeros": 0, "replaced": 0}


def test_an_unused_atom_makes_room_for_the_worst_represented_signal(patches):
    start, signals = with_unused_atom(patches[:430])
    batch, later = signals.split(200)
    learner, (metrics,) = learn(start, [batch], dead_after=200)
    unreplaced, (unchanged,) = learn(start, [batch], dead_after=torch.inf)
    assert metrics["replaced"] == 1
    assert unchanged["replaced"] == 0
    codes = lasso(batch, normalize(start, dim=0), 0.3, tolerance=1e-4)[0]
    errors = (batch - codes @ normalize(start, dim=0).T).square().sum(dim=1)
    expected = unreplaced.dictionary.clone()
    expected[:, 9] = normalize(batch[errors.argmax()], dim=0)
    assert torch.equal(learner.dictionary, expected)
    learner.dead_after = torch.inf
    learner.step(later)
    assert not torch.equal(learner.dictionary[:, 9], expected[:, 9])  # it is used and learns


def test_old_signals_are_forgotten_as_the_journal_version_says(patches):
    def statistics(rho):
        learner, _ = learn(patches[:20].T, [patches[100:200], 0 * patches[200:300]], rho=rho)
        return learner._past.a

    torch.testing.assert_close(statistics(2.0), statistics(0.0) / 4)


def test_any_coder_and_half_precision_are_learned_with(patches):
    learner = OnlineDictionary(patches[:40].T.bfloat16(), partial(omp, n_nonzero_coefs=3))
    before = learner.step(patches[100:600].bfloat16())["half_residual"]
    for batch in patches[600:3000].split(400):
        learner.step(batch.bfloat16())
    assert learner.dictionary.dtype == torch.float32
    assert learner.step(patches[100:600])["half_residual"] < 0.9 * before


@pytest.mark.parametrize(
    ("dictionary", "settings", "message"),
    [
        (torch.eye(3)[:, [0, 1]] * torch.tensor([1.0, 0.0]), {}, "`dictionary` must be finite and have no zero column"),
        (torch.eye(3) * torch.nan, {}, "`dictionary` must be finite"),
        (torch.ones(3), {}, r"`dictionary` must have shape \(m, K\)"),
        (torch.eye(3), {"rho": -1.0}, "`rho` must be at least 0, found -1.0"),
        (torch.eye(3), {"dead_after": 0}, "`dead_after` must be at least 1 signal, found 0"),
    ],
)
def test_what_cannot_be_started_from_is_named(dictionary, settings, message):
    with pytest.raises(ValueError, match=message):
        OnlineDictionary(dictionary, coder, **settings)
