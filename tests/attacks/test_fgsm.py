import copy

import foolbox
import pytest
import torch

from sparsefront.attacks import FGSM, perturbation_norm


@pytest.mark.parametrize("targeted", [False, True])
def test_on_a_linear_model_linf_lands_on_the_closed_form(targeted):
    """Two classes: the loss rises along the difference of the weights, so x - eps sign(w_y - w_other)."""
    weights = torch.randn(12, 2)
    images, labels = 0.3 + 0.4 * torch.rand(5, 3, 2, 2), torch.tensor([0, 1, 1, 0, 1])
    away = (weights.T[labels] - weights.T[1 - labels]).view_as(images)
    found = FGSM(eps="8/255", targeted=targeted)(lambda x: x.flatten(1) @ weights, images, labels)
    torch.testing.assert_close(found, images + (8 / 255 if targeted else -8 / 255) * away.sign())


@pytest.mark.parametrize(("norm", "eps"), [("L2", 0.2), ("L1", 0.25)])
def test_on_a_linear_model_the_margin_moves_by_eps_times_the_dual_norm(norm, eps):
    weights = torch.randn(12, 2, dtype=torch.float64)
    images, labels = 0.3 + 0.4 * torch.rand(5, 3, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 1, 0, 1])
    found = FGSM(eps=eps, norm=norm)(lambda x: x.flatten(1) @ weights, images, labels)
    apart = weights[:, 0] - weights[:, 1]
    sign = 1 - 2.0 * labels
    moved = -sign * ((found - images).flatten(1) @ apart)
    expected = eps * torch.linalg.vector_norm(apart, ord={"L2": 2, "L1": float("inf")}[norm])
    torch.testing.assert_close(moved, expected.expand(5))
    torch.testing.assert_close(perturbation_norm(found - images, norm), torch.full((5,), eps, dtype=torch.float64))


@pytest.mark.parametrize(("norm", "rival"), [("Linf", "FGSM"), ("L2", "FGM")])
def test_agrees_with_foolbox(conv_net, batch, norm, rival):
    images, labels = batch[0].float(), batch[1]
    model = copy.deepcopy(conv_net).float()
    bounded = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    expected = getattr(foolbox.attacks, rival)()(bounded, images, labels, epsilons=0.3)[1]
    found = FGSM(eps=0.3, norm=norm)(model, images, labels)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert (found != images).any()


def test_the_l1_budget_goes_to_pixels_that_have_room():
    weights = torch.tensor([[3.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.5, 0.0]])
    images = torch.tensor([0.1, 0.0, 0.9, 0.5]).view(1, 1, 2, 2)  # class 0 falls with all pixels; the second is at 0
    found = FGSM(eps=0.4, norm="L1")(lambda x: x.flatten(1) @ weights, images, torch.tensor([0]))
    torch.testing.assert_close(found.flatten(), torch.tensor([0.0, 0.0, 0.6, 0.5]))


def test_settings_are_checked_at_construction():
    with pytest.raises(ValueError, match=r"`eps` must be >= 0, found -0.1; write it in pixel units"):
        FGSM(eps=-0.1)
    with pytest.raises(ValueError, match="`norm` must be one of Linf, L2, L1, found 'linf'"):
        FGSM(norm="linf")
    with pytest.raises(ValueError, match="`loss` must be one of ce, cw, dlr, found 'hinge'"):
        FGSM(loss="hinge")
    assert FGSM(eps="8/255").radius == 8 / 255
