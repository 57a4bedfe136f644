"""What gradient attacks share: budgets relative to the image, gradients averaged over passes."""

import pytest
import torch

from sparsefront.attacks import (
    APGD,
    APGDT,
    BIM,
    FAB,
    FGSM,
    FMN,
    MIFGSM,
    NES,
    PGD,
    RFGSM,
    AutoAttack,
    DeepFool,
    FittedModel,
    FittedSurrogate,
    Growing,
    HopSkipJump,
    Neighbourhood,
    Rescaled,
    Square,
    UniversalPerturbation,
    perturbation_norm,
)
from sparsefront.attacks.parts.differentiation import value_and_gradient

EVERY = pytest.mark.parametrize("kind", [FGSM, RFGSM, BIM, MIFGSM, PGD, APGD, APGDT], ids=lambda kind: kind.__name__)


class Seesaw:
    """A linear model whose weights take turns: every second pass has the opposite sign and a third of the size."""

    def __init__(self, weights):
        self.weights, self.passes = weights, 0

    def __call__(self, images):
        self.passes += 1
        turn = 1.0 if self.passes % 2 else -1 / 3
        return turn * images.flatten(1) @ self.weights


@EVERY
@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
def test_a_relative_budget_is_a_multiple_of_each_images_own_norm(kind, norm):
    weights = torch.randn(48, 5, dtype=torch.float64)
    images = (0.3 + 0.4 * torch.rand(4, 3, 4, 4, dtype=torch.float64)) * torch.tensor([0.1, 0.5, 1, 0]).view(4, 1, 1, 1)
    labels = torch.tensor([0, 1, 2, 3])
    found = kind(eps=0.05, norm=norm, relative=True)(lambda x: x.flatten(1) @ weights, images, labels)
    share = perturbation_norm(found - images, norm)[:3] / perturbation_norm(images, norm)[:3]
    assert (share <= 0.05 * (1 + 1e-9)).all()
    assert (share > 0.02).all()
    assert torch.equal(found[3], images[3])  # a black image has norm 0


@pytest.mark.parametrize("kind", [PGD, BIM, MIFGSM])
def test_a_relative_step_is_measured_like_the_budget(kind):
    images, labels = torch.full((2, 1, 3, 3), 0.5, dtype=torch.float64), torch.tensor([0, 0])
    images[1] *= 0.5
    settings = {"eps": 0.4, "norm": "L2", "steps": 1, "step_size": 0.02, "relative": True}
    attack = kind(**settings, **({"random_start": False} if kind is PGD else {}))
    weights = torch.randn(9, 3, dtype=torch.float64)
    moved = perturbation_norm(attack(lambda x: x.flatten(1) @ weights, images, labels) - images, "L2")
    torch.testing.assert_close(moved, 0.02 * perturbation_norm(images, "L2"))


@EVERY
def test_eot_averages_the_gradient_over_passes(kind):
    """One pass of two lies about where to go; the mean of two is right, at half its size or less."""
    weights, images = torch.randn(9, 2, dtype=torch.float64), torch.full((3, 1, 3, 3), 0.5, dtype=torch.float64)
    labels = torch.tensor([0, 1, 1])
    extra = {"loss": "cw"} if kind is not APGDT else {"loss": "cw", "n_target_classes": 1}
    steady = kind(eps=0.1, **extra)(lambda x: x.flatten(1) @ weights, images, labels)
    seesaw = kind(eps=0.1, eot_iter=2, **extra)(Seesaw(weights), images, labels)
    torch.testing.assert_close(seesaw, steady)


def test_value_and_gradient_are_means_over_passes():
    weights, images, labels = torch.randn(9, 3), torch.rand(2, 1, 3, 3), torch.tensor([0, 2])
    model = Seesaw(weights)
    own = lambda z: z.gather(1, labels[:, None]).squeeze(1)  # noqa: E731
    logits, gradient = value_and_gradient(model, images, own, labels, eot_iter=4)
    assert model.passes == 4
    torch.testing.assert_close(logits, images.flatten(1) @ weights / 3)
    torch.testing.assert_close(gradient.flatten(1), weights.T[labels] / 3)


@EVERY
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eps": -0.1}, "`eps` must be >= 0, found -0.1; write it in pixel units"),
        ({"norm": "l2"}, "`norm` must be one of Linf, L2, L1, found 'l2'"),
        ({"loss": "hinge"}, "`loss` must be one of ce, cw, dlr, found 'hinge'"),
        ({"eot_iter": 0}, "`eot_iter` must be at least 1, found 0"),
    ],
)
def test_settings_are_checked_at_construction(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        kind(**settings)


@pytest.mark.parametrize("kind", [FGSM, PGD, APGDT, Square, NES, AutoAttack, UniversalPerturbation])
def test_grey_levels_taken_for_pixel_units_are_refused(kind):
    with pytest.raises(ValueError, match="`eps` must be at most 1 with norm Linf, found 8; pixels lie"):
        kind(eps=8)
    assert kind(eps=8, norm="L2").eps == 8


@pytest.mark.parametrize("kind", [DeepFool, FMN, FAB, HopSkipJump])
def test_so_are_they_where_eps_only_limits(kind):
    with pytest.raises(ValueError, match=r"`eps` must be at most 1 with norm Linf, found 1\.5"):
        kind(eps="3/2", norm="Linf")
    assert kind(eps=8, norm="L2").eps == 8
    assert kind(eps=8, norm="Linf", relative=True).eps == 8


def test_so_are_they_in_other_sizes():
    with pytest.raises(ValueError, match="`sizes` must be at most 1 with norm Linf, found 2"):
        Growing(PGD(), sizes=[1, 2, 4])
    with pytest.raises(ValueError, match="`size` must be at most 1 with norm Linf, found 8"):
        Rescaled(PGD(), size=8, norm="Linf")
    for view in (Neighbourhood, FittedModel, FittedSurrogate):
        with pytest.raises(ValueError, match="`radius` must be at most 1 with norm Linf, found 2"):
            view(radius=2)
