"""Carlini and Wagner's attack: its constants, confidence, early abort, and foolbox."""

import foolbox
import torch

from sparsefront.attacks import CarliniWagner, perturbation_norm
from sparsefront.attacks.parts.losses import margin


def some(conv_net, n=25):
    images = torch.rand(n, 2, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        return images, conv_net(images).argmax(dim=1)


def test_is_as_near_as_foolboxs(conv_net):
    images, labels = some(conv_net)
    settings = {"steps": 60, "binary_search_steps": 5, "initial_const": 0.1}
    bounded = foolbox.PyTorchModel(conv_net, bounds=(0, 1), device="cpu")
    rival = foolbox.attacks.L2CarliniWagnerAttack(stepsize=0.02, **settings)
    theirs = rival(bounded, images, labels, epsilons=None)[1]
    found = CarliniWagner(step_size=0.02, **settings)(conv_net, images, labels)
    with torch.no_grad():
        assert (conv_net(found).argmax(dim=1) != labels).all()
    assert perturbation_norm(found - images, "L2").mean() <= 1.02 * perturbation_norm(theirs - images, "L2").mean()


def test_confidence_is_the_lead_that_is_reached(conv_net):
    images, labels = some(conv_net)
    found = CarliniWagner(steps=60, binary_search_steps=5, step_size=0.05, confidence=0.5)(conv_net, images, labels)
    with torch.no_grad():
        leads = margin(conv_net(found), labels)
    moved = (found != images).flatten(1).any(dim=1)
    assert moved.sum() >= 20
    assert (leads[moved] >= 0.5).all()


def test_targeted_reaches_the_target(conv_net):
    images, labels = some(conv_net)
    targets = (labels + 1) % 5
    attack = CarliniWagner(steps=80, binary_search_steps=5, step_size=0.05, targeted=True)
    with torch.no_grad():
        reached = conv_net(attack(conv_net, images, targets)).argmax(dim=1) == targets
    assert reached.sum() >= 20


def test_every_sample_has_a_constant_of_its_own(conv_net):
    """One descent with a constant too small for some: only those are tried again with a larger one."""
    images, labels = some(conv_net)
    settings = {"steps": 40, "step_size": 0.02, "initial_const": 0.01, "eps": 8.0}  # eps: nothing else is tried then
    attack = CarliniWagner(**settings, binary_search_steps=1)
    once = (attack(conv_net, images, labels) != images).flatten(1).any(dim=1)
    assert 0 < once.sum() < len(once)
    more = CarliniWagner(**settings, binary_search_steps=4)
    assert (more(conv_net, images, labels) != images).flatten(1).any(dim=1).sum() > once.sum()


def test_aborting_early_saves_most_steps_and_hardly_any_size(conv_net):
    images, labels = some(conv_net, 12)
    asked, sizes = {}, {}
    for early in (True, False):
        asked[early] = 0

        def counting(x, early=early):
            asked[early] += len(x)
            return conv_net(x)

        attack = CarliniWagner(steps=200, binary_search_steps=3, initial_const=0.1, step_size=0.02, abort_early=early)
        sizes[early] = perturbation_norm(attack(counting, images, labels) - images, "L2").mean()
    assert asked[True] < 0.7 * asked[False]
    assert sizes[True] <= 1.01 * sizes[False]
