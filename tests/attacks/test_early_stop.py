"""Which attacks stop early, and how each of them is kept from it."""

from dataclasses import dataclass, fields

import pytest
import torch

from sparsefront.attacks import (
    APGD,
    APGDT,
    BIM,
    FAB,
    FGSM,
    JSMA,
    MIFGSM,
    NES,
    PGD,
    Attack,
    AutoAttack,
    Boundary,
    CarliniWagner,
    DeepFool,
    Growing,
    MixedSearch,
    NoiseControl,
    Rescaled,
    Square,
    UniversalPerturbation,
)

STOPPING = [PGD, BIM, MIFGSM, APGD, APGDT, Square, MixedSearch, NES]


class Counted:
    """A linear model of two classes in (B, 1, 1, 2) that counts the images it is asked about."""

    def __init__(self):
        self.asked = 0

    def __call__(self, images):
        self.asked += len(images)
        side = 4 * (images.flatten(1) @ torch.tensor([1.0, -1.0]))
        return torch.stack([side, -side], dim=1)


@pytest.mark.parametrize("kind", STOPPING)
def test_a_sample_that_has_fallen_is_asked_about_no_more(kind):
    if kind is APGDT:
        stopping, going_on = (kind(eps=0.3, loss="ce", steps=9, early_stop=stop) for stop in (True, False))
    elif kind in (Square, MixedSearch):
        stopping, going_on = (kind(eps=0.3, n_queries=50, early_stop=stop) for stop in (True, False))
    else:
        stopping, going_on = (kind(eps=0.3, steps=9, early_stop=stop) for stop in (True, False))
    assert going_on == stopping.without_early_stop()
    assert going_on.without_early_stop() is going_on
    images, labels = torch.tensor([[0.6, 0.4], [0.9, 0.1]]).view(2, 1, 1, 2), torch.tensor([0, 0])
    early, whole = Counted(), Counted()
    fallen = [attack(model, images, labels) for attack, model in ((stopping, early), (going_on, whole))]
    assert early.asked < whole.asked
    for adversarial in fallen:  # the first can fall within eps, the second cannot
        assert Counted()(adversarial).argmax(dim=1).tolist() == [1, 0]


@pytest.mark.parametrize(
    "attack", [FGSM(), JSMA(), DeepFool(), CarliniWagner(), Boundary(), UniversalPerturbation(), NoiseControl(PGD())]
)
def test_an_attack_that_never_stops_early_says_so(attack):
    assert attack.early_stop is False
    assert attack.without_early_stop() == attack
    assert "early_stop" not in {field.name for field in fields(attack)}


def test_fab_stops_within_eps():
    assert FAB(eps=0.1, early_stop=True).without_early_stop() == FAB(eps=0.1)


def test_an_attack_around_another_stops_as_that_one_does():
    for wrapper in (NoiseControl, Rescaled):
        assert wrapper(PGD(early_stop=True)).early_stop
        assert not wrapper(PGD()).early_stop
        assert wrapper(PGD(early_stop=True)).without_early_stop() == wrapper(PGD())


def test_those_that_hand_on_the_standing_samples_always_stop_early():
    assert AutoAttack().early_stop
    assert AutoAttack().without_early_stop() == AutoAttack(version="rand")
    growing = Growing(PGD(early_stop=True), sizes=[0.1])
    assert growing.early_stop
    assert growing.without_early_stop() == Growing(PGD(), sizes=[0.1])


@dataclass(frozen=True)
class AlwaysStopping(Attack):
    """Somebody's attack that has no such setting."""

    early_stop = True

    def perturb(self, model, images, labels, indices):
        return images


def test_an_attack_without_the_setting_stays_as_it_is():
    attack = AlwaysStopping()
    assert attack.without_early_stop() is attack
