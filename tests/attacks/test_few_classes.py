"""Every attack on models of one, two and three classes."""

import pytest
import torch

from sparsefront.attacks import (
    APGD,
    APGDT,
    FGSM,
    NES,
    PGD,
    GaussianBlurControl,
    Growing,
    NoiseControl,
    Rescaled,
    SavedImages,
    Square,
)
from tests.attacks.test_attack_contract import EVERY

IMAGES = 0.2 + 0.6 * torch.rand(3, 1, 3, 3, generator=torch.Generator().manual_seed(0))


def model_of(n_classes):
    weight = torch.randn(n_classes, 9, generator=torch.Generator().manual_seed(1))
    return lambda images: (images - 0.5).flatten(1) @ weight.T


@EVERY
@pytest.mark.parametrize("n_classes", [2, 3])
def test_two_or_three_classes_are_attacked_or_the_loss_is_named(attack, n_classes):
    model = model_of(n_classes)
    labels = model(IMAGES).argmax(dim=1)
    if attack.least_classes > n_classes:
        with pytest.raises(ValueError, match=r"`loss`.* needs at least [34] classes, found [23]; use ce or cw"):
            attack(model, IMAGES, labels)
        with pytest.raises(ValueError, match=f"needs at least [34] classes, found {n_classes}; use ce or cw"):
            attack.check_classes(n_classes)
    else:
        attack.check_classes(n_classes)
        assert attack(model, IMAGES, labels).isfinite().all()


@EVERY
def test_a_model_of_one_class_is_refused_in_a_sentence(attack):
    if isinstance(attack, GaussianBlurControl | SavedImages):
        pytest.skip("asks no model")
    with pytest.raises(ValueError, match="`model` must tell at least 2 classes apart, found logits of 1"):
        attack(model_of(1), IMAGES, torch.zeros(3, dtype=torch.int64))


@pytest.mark.parametrize(
    ("attack", "least"),
    [
        (FGSM(), 2),
        (PGD(loss="dlr"), 3),
        (PGD(loss="dlr", targeted=True), 4),
        (APGD(loss="dlr"), 3),
        (APGDT(), 4),
        (APGDT(loss="cw"), 2),
        (Square(loss="dlr"), 3),
        (NES(loss="dlr", targeted=True), 4),
        (Growing(APGDT(early_stop=True)), 4),
        (Rescaled(PGD(loss="dlr")), 3),
        (NoiseControl(PGD(loss="dlr")), 3),
    ],
)
def test_what_a_loss_needs_is_known_before_any_model(attack, least):
    assert attack.least_classes == least
    attack.check_classes(least)
    with pytest.raises(ValueError, match=f"needs at least {least} classes, found {least - 1}"):
        attack.check_classes(least - 1)
