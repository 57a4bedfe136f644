"""Random starts, restarts kept sample by sample, and early stopping."""

import pytest
import torch

from sparsefront.attacks import PGD, perturbation_norm

NORMS = [("Linf", 0.05), ("L2", 0.4), ("L1", 1.0)]
ALL_NORMS = pytest.mark.parametrize(("norm", "eps"), NORMS)


class Spy:
    """A model that remembers what it was asked: images of steps, and of the scoring at a restart's end."""

    def __init__(self, model):
        self.model, self.steps, self.ends = model, [], []

    def __call__(self, images):
        (self.steps if torch.is_grad_enabled() else self.ends).append(images.detach().clone())
        return self.model(images)


def predictions(model, images):
    with torch.no_grad():
        return model(images).argmax(dim=1)


@ALL_NORMS
@pytest.mark.parametrize("early_stop", [False, True])
def test_a_samples_result_does_not_depend_on_its_batch_mates(conv_net, batch, norm, eps, early_stop):
    attack = PGD(eps=eps, norm=norm, steps=5, n_restarts=2, early_stop=early_stop, seed=4)
    indices = torch.tensor([40, 3, 9, 2**35, 0, 7, 8])
    whole = attack(conv_net, *batch, indices)
    parts = [attack(conv_net, *(t[i] for t in (*batch, indices))) for i in (slice(0, 2), slice(2, 3), slice(3, 7))]
    torch.testing.assert_close(whole, torch.cat(parts), atol=1e-9, rtol=0)
    shuffle = torch.tensor([6, 2, 0, 5, 1, 4, 3])
    shuffled = attack(conv_net, batch[0][shuffle], batch[1][shuffle], indices[shuffle])
    torch.testing.assert_close(shuffled, whole[shuffle], atol=1e-9, rtol=0)


@ALL_NORMS
def test_random_starts_differ_by_sample_restart_and_seed(conv_net, norm, eps):
    images, labels = torch.full((2, 2, 6, 6), 0.5, dtype=torch.float64), torch.tensor([0, 0])
    starts = []
    for seed in (0, 1):
        spy = Spy(conv_net)
        PGD(eps=eps, norm=norm, steps=1, n_restarts=2, seed=seed)(spy, images, labels)
        starts += [start for step in spy.steps for start in step]
    assert len(starts) == 8
    for i, one in enumerate(starts):
        assert 0 < perturbation_norm((one - 0.5)[None], norm).item() <= eps * (1 + 1e-6)
        # Directions, not lengths alone: independent ones share about half of their 72 signs.
        assert all(((one > 0.5) == (other > 0.5)).double().mean() < 0.8 for other in starts[:i])


@ALL_NORMS
def test_a_start_depends_on_no_setting_but_the_seed_and_the_ball(norm, eps):
    """Restart r of a sample starts at one point, whatever the model, the labels and the other settings are."""
    images, starts = torch.full((3, 2, 6, 6), 0.5), []
    others = {"steps": 3, "n_restarts": 5, "loss": "dlr", "targeted": True, "step_size": 0.01}
    for changed, label in ({}, 0), (others, 1):
        spy = Spy(lambda x: x.flatten(1)[:, :4])
        attack = PGD(**{"eps": eps, "norm": norm, "steps": 1, "n_restarts": 2, "seed": 3, **changed})
        attack(spy, images, torch.full((3,), label))
        starts.append(torch.stack(spy.steps[:: attack.steps][:2]))
    assert torch.equal(*starts)


def test_restarts_are_kept_sample_by_sample(conv_net, batch):
    """The highest loss of those that fool, else of all: worked out again from what the model was asked."""
    images, labels = batch
    spy = Spy(conv_net)
    found = PGD(eps=0.03, steps=2, step_size=0.01, n_restarts=6)(spy, images, labels)
    assert len(spy.ends) == 6
    with torch.no_grad():
        logits = [conv_net(end) for end in spy.ends]
    chosen = set()
    for i, label in enumerate(labels):
        fell = [r for r in range(6) if logits[r][i].argmax() != label]
        losses = [torch.nn.functional.cross_entropy(z[i], label).item() for z in logits]
        best = max(fell or range(6), key=losses.__getitem__)
        torch.testing.assert_close(found[i], spy.ends[best][i])
        chosen.add((best, bool(fell)))
    assert len({best for best, _ in chosen}) > 1
    assert {fell for _, fell in chosen} == {True, False}


@pytest.mark.parametrize("norm", ["L2", "L1"])
def test_how_far_a_start_lies_says_nothing_of_where(conv_net, norm):
    spy = Spy(lambda x: x.flatten(1))
    images = torch.full((4000, 1, 1, 2), 0.5)
    PGD(eps=0.4, norm=norm, steps=1)(spy, images, torch.zeros(4000, dtype=torch.int64))
    moves = (spy.steps[0] - images).flatten(1)
    radii = perturbation_norm(moves, norm)
    share = moves[:, 0].abs() / radii
    assert torch.corrcoef(torch.stack([radii, share]))[0, 1].abs() < 4 / 4000**0.5


def test_a_restart_that_fools_beats_one_of_higher_loss_and_of_those_the_highest_is_kept():
    """Scripted logits: not fooled at loss 1.38, fooled at 0.74, fooled at 0.85, by label 0."""
    script = [[2.0, 1.99, 1.99, 1.99], [0.0, 0.1, -9.0, -9.0], [0.0, 0.3, -9.0, -9.0]]
    spy = Spy(lambda x: 0 * x.flatten(1)[:, :4] + torch.tensor(script[min(len(spy.ends), 3) - 1]))
    images = torch.rand(1, 1, 4, 4)
    found = PGD(steps=1, n_restarts=3)(spy, images, torch.tensor([0]))
    assert torch.equal(found, spy.ends[2])


@ALL_NORMS
def test_early_stop_is_as_strong_and_asks_less(conv_net, norm, eps):
    images = torch.rand(60, 2, 6, 6, dtype=torch.float64)
    labels = predictions(conv_net, images)
    results, asked = {}, {}
    for early_stop in (False, True):
        spy = Spy(conv_net)
        found = PGD(eps=eps, norm=norm, steps=10, n_restarts=3, early_stop=early_stop)(spy, images, labels)
        results[early_stop] = predictions(conv_net, found) != labels
        asked[early_stop] = sum(map(len, spy.steps))
        assert (perturbation_norm(found - images, norm) <= eps * (1 + 1e-6)).all()
    assert 0 < results[False].sum() < 60
    assert (results[True] | ~results[False]).all()
    assert asked[True] < 0.8 * asked[False]
    assert asked[False] == 60 * 10 * 3


def test_early_stop_restarts_only_samples_still_standing(conv_net):
    images = torch.rand(60, 2, 6, 6, dtype=torch.float64)
    labels, spy = predictions(conv_net, images), Spy(conv_net)
    found = PGD(eps=0.05, steps=3, n_restarts=4, early_stop=True)(spy, images, labels)
    counts = [len(end) for end in spy.ends]
    assert counts[0] == 60
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] < 60
    standing = (predictions(conv_net, found) == labels).sum()
    assert standing <= counts[-1]
    assert counts[1] == (predictions(conv_net, spy.ends[0]) == labels).sum()


def test_early_stop_returns_a_sample_that_is_wrong_already_as_it_is(conv_net, batch):
    images, labels = batch
    found = PGD(random_start=False, early_stop=True, steps=3)(conv_net, images, labels)
    assert torch.equal(found[-1], images[-1])
    assert not torch.equal(found[0], images[0])


def test_early_stop_of_a_targeted_attack_waits_for_the_target(conv_net, batch):
    images = batch[0]
    targets = (predictions(conv_net, images) + 1) % 5
    settings = {"eps": 0.5, "steps": 30, "targeted": True, "loss": "cw", "random_start": False}
    stopped, whole = (PGD(**settings, early_stop=stop)(conv_net, images, targets) for stop in (True, False))
    reached = predictions(conv_net, whole) == targets
    assert reached.any()
    assert (predictions(conv_net, stopped) == targets)[reached].all()
