"""What an attack says of the ball that it keeps to."""

import pytest

from sparsefront.attacks import (
    APGD,
    FAB,
    FGSM,
    JSMA,
    PGD,
    ZOO,
    AutoAttack,
    Boundary,
    DeepFool,
    GaussianBlurControl,
    GrayBox,
    Growing,
    HopSkipJump,
    NamedAttack,
    NoiseControl,
    Rescaled,
    Square,
    UniversalPerturbation,
)


@pytest.mark.parametrize(
    ("attack", "budget", "minimises"),
    [
        (FGSM(eps="1/10"), ("Linf", 0.1, False), None),
        (APGD(eps=0.1, norm="L1", relative=True), ("L1", 0.1, True), None),
        (Square(eps=0.1, norm="L2"), ("L2", 0.1, False), None),
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
