"""FAB against pyautoattack's, its targets, restarts and early stop."""

import copy

import pytest
import torch

from sparsefront.attacks import FAB, perturbation_norm
from tests.helpers.precision import in_single_precision


@pytest.fixture
def samples(conv_net):
    images = torch.rand(40, 2, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        return images, conv_net(images).argmax(dim=1)


@in_single_precision("pyautoattack brings images to it")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
@pytest.mark.parametrize("n_target_classes", [None, 3])
def test_is_as_near_as_pyautoattacks(conv_net, samples, norm, n_target_classes):
    fab = pytest.importorskip("pyautoattack.fab_pt", exc_type=ImportError)
    images, labels = samples[0].float(), samples[1]
    net = copy.deepcopy(conv_net).float()
    eps = {"Linf": 0.03, "L2": 0.1, "L1": 0.5}[norm]
    rival = fab.FABAttack_PT(net, norm=norm, n_iter=20, eps=eps, device="cpu", n_target_classes=3)
    rival.targeted = n_target_classes is not None
    theirs = rival.perturb(images, labels)
    with torch.no_grad():
        other = net(theirs).argmax(dim=1) != labels
    found = FAB(norm=norm, steps=20, n_target_classes=n_target_classes, eps=eps)(net, images, labels)
    with torch.no_grad():
        mine = net(found).argmax(dim=1) != labels
    assert 0 < other.sum() < 40
    assert mine.sum() >= other.sum()
    both = mine & other
    assert (
        perturbation_norm(found - images, norm)[both].mean()
        <= 1.02 * perturbation_norm(theirs - images, norm)[both].mean()
    )


def test_restarts_help_where_the_image_itself_shows_no_way():
    def model(images):  # flat around grey
        lead = ((images - 0.5).flatten(1).sum(dim=1) - 0.2).relu()
        return torch.stack([torch.full_like(lead, 0.3), lead], dim=1)

    images, labels = torch.full((20, 1, 4, 4), 0.5), torch.zeros(20, dtype=torch.int64)
    walks = [FAB(steps=10, n_restarts=n, eps=1.0) for n in (1, 2, 8)]  # eps: nothing else is tried where they fail
    sizes = [perturbation_norm(walk(model, images, labels) - images, "Linf") for walk in walks]
    assert (sizes[0] == 0).all()
    found = sizes[1] > 0
    assert 0 < found.sum() < 20
    assert (sizes[2] > 0).sum() > found.sum()
    assert (sizes[1][found] >= 0.5 / 16).all()


def test_early_stop_fools_the_same_samples_within_eps_and_asks_less(conv_net, samples):
    images, labels = samples
    asked, fell = {}, {}
    for early in (True, False):
        asked[early] = 0

        def counting(x, early=early):
            asked[early] += len(x)
            return conv_net(x)

        attack = FAB(steps=12, n_target_classes=3, eps=0.05, early_stop=early)
        found = attack(counting, images, labels)
        assert (perturbation_norm(found - images, "Linf") <= 0.05).all()
        with torch.no_grad():
            fell[early] = conv_net(found).argmax(dim=1) != labels
    assert 0 < fell[True].sum() < 40
    assert torch.equal(fell[True], fell[False])
    assert asked[True] < 0.8 * asked[False]
