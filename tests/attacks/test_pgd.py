import copy

import foolbox
import pytest
import torch

from sparsefront.attacks import PGD, perturbation_norm
from sparsefront.attacks.parts.losses import adversarial_loss

NORMS = [("Linf", 0.05), ("L2", 0.4), ("L1", 1.0)]
ALL_NORMS = pytest.mark.parametrize(("norm", "eps"), NORMS)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("loss", ["ce", "cw"])
def test_on_a_linear_model_linf_lands_on_the_closed_form(loss, targeted):
    """Two classes: the corner x - eps sign(w_y - w_other) of the ball, wherever it starts."""
    weights = torch.randn(12, 2)
    images, labels = 0.3 + 0.4 * torch.rand(5, 3, 2, 2), torch.tensor([0, 1, 1, 0, 1])
    away = (weights.T[labels] - weights.T[1 - labels]).view_as(images)
    found = PGD(eps="8/255", loss=loss, targeted=targeted)(lambda x: x.flatten(1) @ weights, images, labels)
    torch.testing.assert_close(found, images + (8 / 255 if targeted else -8 / 255) * away.sign())


def test_on_a_linear_model_l2_lands_on_the_closed_form():
    weights = torch.randn(12, 2, dtype=torch.float64)
    images, labels = 0.3 + 0.4 * torch.rand(5, 3, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 1, 0, 1])
    away = (weights.T[labels] - weights.T[1 - labels]).view_as(images)
    found = PGD(eps=0.2, norm="L2", random_start=False)(lambda x: x.flatten(1) @ weights, images, labels)
    expected = images - 0.2 * away / perturbation_norm(away, "L2").view(-1, 1, 1, 1)
    torch.testing.assert_close(found, expected)


def test_on_a_linear_model_l1_spends_all_on_the_largest_weight():
    weights = torch.randn(12, 2, dtype=torch.float64)
    images, labels = 0.3 + 0.4 * torch.rand(5, 3, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 1, 0, 1])
    attack = PGD(eps=0.2, norm="L1", l1_sparsity=0.01, random_start=False)
    moves = (attack(lambda x: x.flatten(1) @ weights, images, labels) - images).flatten(1)
    apart = weights[:, 0] - weights[:, 1]
    expected = torch.zeros(5, 12, dtype=torch.float64)
    expected[:, apart.abs().argmax()] = 0.2 * apart[apart.abs().argmax()].sign() * (2.0 * labels - 1)
    torch.testing.assert_close(moves, expected)


def test_one_step_is_equation_1_of_paper_001(conv_net, batch):
    """The gradient over its own norm, times the step size; by finite differences, far from ball and box."""
    images, labels = batch[0].clamp(0.2, 0.8), batch[1]
    found = PGD(eps=0.5, norm="L2", steps=1, step_size=0.01, random_start=False)(conv_net, images, labels)
    gradient, width = torch.zeros_like(images), 1e-5
    for position in range(images[0].numel()):
        nudge = torch.zeros_like(images[0]).flatten()
        nudge[position] = width
        nudge = nudge.view_as(images[0])
        with torch.no_grad():
            rise, fall = (adversarial_loss("ce", labels, False)(conv_net(images + s * nudge)) for s in (1, -1))
        gradient.view(len(images), -1)[:, position] = (rise - fall) / (2 * width)
    expected = images + 0.01 * gradient / perturbation_norm(gradient, "L2").view(-1, 1, 1, 1)
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=0)


@pytest.mark.parametrize(("norm", "eps", "rival"), [("Linf", 0.05, "LinfPGD"), ("L2", 0.4, "L2PGD")])
def test_agrees_with_foolbox(conv_net, batch, norm, eps, rival):
    images, labels = batch[0].float(), batch[1]
    model = copy.deepcopy(conv_net).float()
    bounded = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    theirs = getattr(foolbox.attacks, rival)(abs_stepsize=eps / 8, steps=20, random_start=False)
    expected = theirs(bounded, images, labels, epsilons=eps)[1]
    found = PGD(eps=eps, norm=norm, steps=20, step_size=eps / 8, random_start=False)(model, images, labels)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert perturbation_norm(found - images, norm).min() > 0.5 * eps


@ALL_NORMS
def test_raises_the_loss_of_every_sample(conv_net, batch, norm, eps):
    images, labels = batch
    found = PGD(eps=eps, norm=norm, steps=20)(conv_net, images, labels)
    loss = adversarial_loss("ce", labels, False)
    with torch.no_grad():
        assert (loss(conv_net(found)) > loss(conv_net(images))).all()


@ALL_NORMS
@pytest.mark.parametrize("loss", ["ce", "cw", "dlr"])
def test_a_flat_model_moves_nothing_and_breaks_nothing(norm, eps, loss):
    images, labels = torch.rand(3, 1, 4, 4), torch.tensor([0, 1, 2])
    flat = lambda x: 0 * x.flatten(1)[:, :4]  # noqa: E731
    assert torch.equal(PGD(eps=eps, norm=norm, loss=loss, random_start=False)(flat, images, labels), images)
    found = PGD(eps=eps, norm=norm, loss=loss)(flat, images, labels)
    assert (perturbation_norm(found - images, norm) <= eps * (1 + 1e-5)).all()


@ALL_NORMS
@pytest.mark.parametrize("step_size", [None, 0.1])
def test_eps_0_returns_the_images(conv_net, batch, norm, eps, step_size):
    found = PGD(eps=0, norm=norm, steps=2, step_size=step_size, n_restarts=2)(conv_net, *batch)
    assert torch.equal(found, batch[0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_logits_may_have_another_precision_than_the_images(dtype):
    weights, images = torch.randn(16, 4, dtype=torch.float32), torch.rand(3, 1, 4, 4, dtype=torch.float32)
    found = PGD(steps=3, early_stop=True)(lambda x: (x.flatten(1) @ weights).to(dtype), images, torch.tensor([0, 1, 2]))
    assert found.dtype == torch.float32


@ALL_NORMS
def test_half_precision_images_get_starts_of_their_ball(norm, eps):
    """Half precision rounds uniforms near 1 up to 1, whose logarithm is infinite."""
    images, weights = torch.rand(200, 1, 8, 8).half(), torch.randn(64, 4)
    labels = torch.zeros(200, dtype=torch.int64)
    found = PGD(eps=eps, norm=norm, steps=2)(lambda x: x.to(weights.dtype).flatten(1) @ weights, images, labels)
    assert found.dtype == torch.float16
    assert found.isfinite().all()
    assert (perturbation_norm((found - images).float(), norm) <= 1.05 * eps).all()


def test_fractions_and_the_default_step():
    assert PGD(eps="8/255", step_size="1/255").step == 1 / 255
    assert PGD(eps=0.4, steps=10).step == pytest.approx(0.1)
    assert PGD(eps="8/255").eps == 8 / 255
    assert PGD(eps="8/255") == PGD(eps=8 / 255)
    assert PGD(eps="8/255").radius == 8 / 255


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eps": -0.1}, "`eps` must be >= 0, found -0.1; write it in pixel units of .0, 1., e.g. 8/255"),
        ({"eps": "8:255"}, "`eps` must be a finite number or a fraction such as 8/255, found '8:255'"),
        ({"eps": "8/0"}, "`eps` must be a finite number"),
        ({"eps": float("nan")}, "`eps` must be a finite number"),
        ({"eps": float("inf")}, "`eps` must be a finite number"),
        ({"eps": None}, "`eps` must be a finite number"),
        ({"norm": "l2"}, "`norm` must be one of Linf, L2, L1, found 'l2'"),
        ({"loss": "mse"}, "`loss` must be one of ce, cw, dlr, found 'mse'"),
        ({"steps": 0}, "`steps` must be at least 1, found 0"),
        ({"n_restarts": 0}, "`n_restarts` must be at least 1, found 0"),
        ({"step_size": 0}, "`step_size` must be positive and finite, found 0; leave it out"),
        ({"step_size": "-1/255"}, "`step_size` must be >= 0, found -1/255"),
        ({"n_restarts": 2, "random_start": False}, "`n_restarts` must be 1 without `random_start`, found 2"),
        ({"l1_sparsity": 0.0}, "`l1_sparsity` must be above 0 and at most 1, found 0"),
        ({"l1_sparsity": 1.5}, "`l1_sparsity` must be above 0 and at most 1, found 1.5"),
    ],
)
def test_settings_are_checked_at_construction(settings, message):
    with pytest.raises(ValueError, match=message):
        PGD(**settings)
