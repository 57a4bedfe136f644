import copy

import pytest
import torch

from sparsefront.attacks import APGD, APGDT
from tests.helpers.precision import in_single_precision


def samples(model, count):
    images = torch.rand(count, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return images, model(images).argmax(dim=1)


def fooled(model, images, labels):
    with torch.no_grad():
        return model(images).argmax(dim=1) != labels


class Spy:
    def __init__(self, model):
        self.model, self.seen = model, []

    def __call__(self, images):
        self.seen.append(len(images))
        return self.model(images)


@in_single_precision("pyautoattack brings images to it")
@pytest.mark.parametrize(("norm", "eps"), [("Linf", 0.02), ("L2", 0.15), ("L1", 0.7)])
def test_is_as_strong_as_autoattack(conv_net, norm, eps):
    rival = pytest.importorskip("pyautoattack.autopgd_base")
    model, (images, labels) = copy.deepcopy(conv_net).float(), samples(conv_net, 500)
    images = images.float()
    theirs = rival.APGDAttack_targeted(
        model, n_iter=20, norm=norm, eps=eps, seed=0, device="cpu", n_target_classes=4, use_largereps=norm == "L1"
    )
    rate = fooled(model, theirs.perturb(images, labels), labels).double().mean()
    found = APGDT(eps=eps, norm=norm, steps=20, early_stop=True)(model, images, labels)
    assert 0.2 < rate < 0.95
    assert fooled(model, found, labels).double().mean() >= rate - 0.005


def test_aims_at_the_most_likely_wrong_classes_one_after_another():
    """Logits of single pixels: what rises is the class that was aimed at."""
    model = lambda x: x.flatten(1)  # noqa: E731
    images = torch.tensor([[0.9, 0.5, 0.3, 0.1], [0.2, 0.4, 0.9, 0.6]], dtype=torch.float64).view(2, 1, 2, 2)
    labels = torch.tensor([0, 2])
    for n_target_classes, raised in ((1, [1, 3]), (2, [1, 3]), (9, [1, 3])):
        found = APGDT(eps=0.1, steps=10, n_target_classes=n_target_classes, loss="cw")(model, images, labels)
        moved = (found - images).flatten(1)
        assert moved.argmax(dim=1).tolist() == raised  # no class falls: the nearest has the highest loss


def test_a_class_that_is_not_the_most_likely_may_be_the_one_that_falls():
    """Class 1 is near but stays, class 2 is further away but gives in."""

    def model(images):
        x = images[:, 0, 0, 0]
        return torch.stack([0 * x, -0.1 + 0.01 * x, -1 + 2.5 * (x - 0.5), -9 + 0 * x], dim=1)

    images, labels = torch.full((2, 1, 1, 1), 0.5, dtype=torch.float64), torch.tensor([0, 0])
    settings = {"eps": 0.45, "steps": 10, "random_start": False}
    assert not fooled(model, APGDT(**settings, n_target_classes=1)(model, images, labels), labels).any()
    assert fooled(model, APGDT(**settings, n_target_classes=2)(model, images, labels), labels).all()


def test_any_wrong_class_is_a_success(conv_net):
    """Also one that was not aimed at: those samples leave at once."""
    images, labels = samples(conv_net, 40)
    wrong = (labels + 1) % 5
    spy = Spy(conv_net)
    found = APGDT(eps=0.05, steps=10, early_stop=True, random_start=False)(spy, images, wrong)
    assert torch.equal(found, images)
    assert spy.seen == [40, 40]  # the clean logits, and the first look


def test_only_samples_still_standing_are_aimed_at_again(conv_net):
    images, labels = samples(conv_net, 60)
    spy = Spy(conv_net)
    found = APGDT(eps=0.02, steps=6, early_stop=True)(spy, images, labels)
    everything = Spy(conv_net)
    whole = APGDT(eps=0.02, steps=6)(everything, images, labels)
    assert sum(everything.seen) == 60 + 60 * 4 * 7  # 4 wrong classes, a look at the start and 6 steps each
    assert sum(spy.seen) < 0.8 * sum(everything.seen)
    assert fooled(conv_net, found, labels).sum() >= fooled(conv_net, whole, labels).sum() > 5


def test_restarts_multiply_the_classes(conv_net):
    images, labels = samples(conv_net, 5)
    spy = Spy(conv_net)
    APGDT(eps=0.001, steps=2, n_target_classes=3, n_restarts=2)(spy, images, labels)
    assert sum(spy.seen) == 5 + 5 * 3 * 2 * 3


def test_one_class_is_apgd_aimed_at_it(conv_net):
    images, labels = samples(conv_net, 20)
    with torch.no_grad():
        second = conv_net(images).scatter(1, labels[:, None], -torch.inf).argmax(dim=1)
    settings = {"eps": 0.01, "steps": 8, "loss": "dlr", "seed": 5}
    expected = APGD(**settings, targeted=True)(conv_net, images, second)
    found = APGDT(**settings, n_target_classes=1)(conv_net, images, labels)
    same = (found == expected).flatten(1).all(dim=1)
    assert same[~fooled(conv_net, found, labels)].all()
    assert same.any()


def test_two_classes_do_with_ce():
    images, labels = torch.rand(3, 1, 4, 4), torch.tensor([0, 1, 0])
    two = lambda x: x.flatten(1)[:, :2]  # noqa: E731
    assert fooled(two, APGDT(eps=1.0, steps=10, loss="ce")(two, images, labels), labels).all()
    with pytest.raises(ValueError, match="`loss` targeted dlr needs at least 4 classes, found 2; use ce or cw"):
        APGDT()(two, images, labels)


def test_settings_are_checked_at_construction():
    with pytest.raises(ValueError, match="`n_target_classes` must be at least 1, found 0"):
        APGDT(n_target_classes=0)
    with pytest.raises(ValueError, match="`steps` must be at least 1, found 0"):
        APGDT(steps=0)
    with pytest.raises(ValueError, match="`targeted` must be false, found true: the labels are the true classes"):
        APGDT(targeted=True)


def test_the_first_walk_towards_each_class_begins_at_the_starts(conv_net):
    images, labels = samples(conv_net, 20)
    starts = (images + 0.001).clamp(0, 1)
    asked = []

    def spy(points):
        asked.append(points.detach())
        return conv_net(points)

    APGDT(eps=0.001, steps=2, n_target_classes=3, n_restarts=2)(spy, images, labels, starts=starts)
    walks = asked[1::3]  # after the clean logits, a look at the start and 2 steps each
    assert [torch.allclose(first, starts, atol=1e-12) for first in walks] == [True, False] * 3
