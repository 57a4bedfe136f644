"""FMN against foolbox's DDN and adv-lib's FMN."""

import sys
import types

import foolbox
import pytest
import torch

from sparsefront.attacks import FMN, perturbation_norm


@pytest.fixture
def samples(conv_net):
    images = torch.rand(40, 2, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        return images, conv_net(images).argmax(dim=1)


def test_is_as_near_as_foolboxs_ddn(conv_net, samples):
    images, labels = samples
    bounded = foolbox.PyTorchModel(conv_net, bounds=(0, 1), device="cpu")
    theirs = foolbox.attacks.DDNAttack(steps=60)(bounded, images, labels, epsilons=None)[1]
    found = FMN(norm="L2", steps=60)(conv_net, images, labels)
    with torch.no_grad():
        assert (conv_net(found).argmax(dim=1) != labels).all()
    assert perturbation_norm(found - images, "L2").mean() <= 1.02 * perturbation_norm(theirs - images, "L2").mean()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("norm", "order"), [("Linf", float("inf")), ("L2", 2), ("L1", 1)])
@pytest.mark.parametrize("targeted", [False, True])
def test_is_as_near_as_adv_libs(conv_net, samples, norm, order, targeted, monkeypatch):
    visdom = types.ModuleType("visdom")  # adv-lib's plots, which nothing here draws
    visdom.Visdom = object
    monkeypatch.setitem(sys.modules, "visdom", sys.modules.get("visdom", visdom))
    rival = pytest.importorskip("adv_lib.attacks", exc_type=ImportError).fmn
    images, labels = samples
    goals = (labels + 1) % 5 if targeted else labels
    theirs = rival(conv_net, images, goals, norm=order, steps=60, targeted=targeted)
    found = FMN(norm=norm, steps=60, targeted=targeted)(conv_net, images, goals)
    with torch.no_grad():
        mine, other = ((conv_net(x).argmax(dim=1) == goals) == targeted for x in (found, theirs))
    assert (mine | ~other).all()
    both = mine & other
    assert both.sum() >= 20  # theirs can end on the boundary without crossing it
    assert (
        perturbation_norm(found - images, norm)[both].mean()
        <= 1.02 * perturbation_norm(theirs - images, norm)[both].mean()
    )


def test_targeted_and_untargeted_aim_at_what_they_say(conv_net, samples):
    images, labels = samples
    targets = (labels + 2) % 5
    with torch.no_grad():
        reached = conv_net(FMN(steps=60, targeted=True)(conv_net, images, targets)).argmax(dim=1)
    assert (reached == targets).sum() >= 35


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
def test_a_search_for_the_nearest_class_is_never_farther_than_the_published_one(conv_net, samples, norm):
    near, published = (FMN(norm=norm, steps=30, n_candidate_classes=count) for count in (10, None))
    sizes, published_sizes = (
        perturbation_norm(attack(conv_net, *samples) - samples[0], norm) for attack in (near, published)
    )
    assert (sizes <= published_sizes).all()
    assert (sizes < published_sizes).any()
