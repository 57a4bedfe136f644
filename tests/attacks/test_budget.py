"""What an attack says of the ball that it keeps to."""

from dataclasses import dataclass

import pytest
import torch

from sparsefront.attacks import (
    APGD,
    BIM,
    FAB,
    FGSM,
    FMN,
    JSMA,
    MIFGSM,
    NES,
    PGD,
    RFGSM,
    ZOO,
    Attack,
    AutoAttack,
    Boundary,
    Budget,
    CarliniWagner,
    DeepFool,
    GaussianBlurControl,
    GrayBox,
    Growing,
    HopSkipJump,
    MixedSearch,
    NamedAttack,
    NoiseControl,
    RayS,
    Rescaled,
    Square,
    UniversalPerturbation,
)
from sparsefront.common.pixel_size import PixelSize


@dataclass(frozen=True)
class Brighter(Attack):
    """Somebody's attack, with a radius by another name than `eps`."""

    radius: PixelSize = "8/255"

    @property
    def budget(self):
        return Budget("Linf", self.radius)

    def perturb(self, model, images, labels, indices):
        return (images + self.radius).clamp(0, 1)


@pytest.mark.parametrize(
    ("attack", "budget", "minimises"),
    [
        (Brighter(), ("Linf", 8 / 255, False), None),
        (PGD(eps="1/10", norm="L1"), ("L1", 0.1, False), None),
        (BIM(eps=0.1), ("Linf", 0.1, False), None),
        (MIFGSM(eps=0.1, norm="L2"), ("L2", 0.1, False), None),
        (RFGSM(eps=0.1, relative=True), ("Linf", 0.1, True), None),
        (NES(eps=0.1), ("Linf", 0.1, False), None),
        (FMN(norm="L1"), None, "L1"),
        (FMN(eps=0.1), ("L2", 0.1, False), None),
        (CarliniWagner(), None, "L2"),
        (CarliniWagner(eps="1/10", relative=True), ("L2", 0.1, True), None),
        (NoiseControl(Growing(PGD(), sizes=[0.1, 0.2])), ("Linf", 0.2, False), None),
        (FGSM(eps="1/10"), ("Linf", 0.1, False), None),
        (APGD(eps=0.1, norm="L1", relative=True), ("L1", 0.1, True), None),
        (Square(eps=0.1, norm="L2"), ("L2", 0.1, False), None),
        (MixedSearch(eps="1/10", norm="L1", relative=True), ("L1", 0.1, True), None),
        (AutoAttack(eps=0.1), ("Linf", 0.1, False), None),
        (UniversalPerturbation(eps=0.1, norm="L2"), ("L2", 0.1, False), None),
        (FAB(eps=0.1, early_stop=True), ("Linf", 0.1, False), None),
        (DeepFool(norm="Linf"), None, "Linf"),
        (Boundary(eps=0.1, relative=True), ("L2", 0.1, True), None),
        (Boundary(), None, "L2"),
        (ZOO(eps="1/10"), ("L2", 0.1, False), None),
        (ZOO(), None, "L2"),
        (HopSkipJump(eps=0.1, norm="Linf"), ("Linf", 0.1, False), None),
        (HopSkipJump(norm="Linf"), None, "Linf"),
        (RayS(eps="1/10"), ("Linf", 0.1, False), None),
        (RayS(), None, "Linf"),
        (Rescaled(PGD(eps=0.3), size="1/10", norm="L2", relative=True), ("L2", 0.1, True), None),
        (Rescaled(DeepFool(), size=0.1), ("L2", 0.1, False), None),
        (Growing(PGD(eps=0.3, norm="L2", relative=True), sizes=[0.05, "1/10"]), ("L2", 0.1, True), None),
        (Growing(FAB(), sizes=[0.1]), ("Linf", 0.1, False), None),
        (NoiseControl(PGD(eps=0.1)), ("Linf", 0.1, False), None),
        (NoiseControl(DeepFool()), None, "L2"),
        (JSMA(), None, None),
        (GaussianBlurControl(), None, None),
    ],
)
def test_norm_size_and_unit_are_said_or_what_is_minimised(attack, budget, minimises):
    assert attack.budget == budget
    assert attack.minimises == minimises


@pytest.mark.parametrize(
    ("attack", "enters"),
    [
        (PGD(), True),
        (JSMA(), True),  # gamma bounds it
        (DeepFool(), False),
        (DeepFool(eps=1.0), True),
        (Rescaled(DeepFool(), size=1.0), True),
        (Boundary(), False),
        (NoiseControl(PGD()), False),
        (GaussianBlurControl(), False),
    ],
)
def test_controls_and_attacks_of_any_size_do_not_enter_the_worst_case(attack, enters):
    assert NamedAttack("a", attack).in_worst_case == enters
    assert NamedAttack("a", attack, GrayBox()).in_worst_case == enters


def test_a_ball_under_any_name_that_holds_every_image_is_refused():
    images, labels = torch.rand(2, 1, 4, 4), torch.tensor([0, 1])
    Brighter(1)(lambda x: x.flatten(1), images, labels)
    with pytest.raises(ValueError, match="the size of Brighter's ball must be at most 1 in Linf, the distance from a "):
        Brighter(2)(lambda x: x.flatten(1), images, labels)
