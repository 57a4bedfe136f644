import copy

import foolbox
import pytest
import torch

from sparsefront.attacks import BIM, MIFGSM, PGD
from tests.helpers.precision import DTYPE


def test_is_as_strong_as_foolbox(conv_net):
    """Strength, not images: foolbox adds up gradients without bringing each to length 1 first."""
    images = torch.rand(150, 2, 6, 6, generator=torch.Generator().manual_seed(2))
    model = copy.deepcopy(conv_net).to(DTYPE)
    with torch.no_grad():
        labels = model(images).argmax(dim=1)
    bounded = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    theirs = foolbox.attacks.LinfMomentumIterativeFastGradientMethod(abs_stepsize=0.003, steps=10, random_start=False)
    fooled = theirs(bounded, images, labels, epsilons=0.03)[2]
    with torch.no_grad():
        ours = model(MIFGSM(eps=0.03)(model, images, labels)).argmax(dim=1) != labels
    assert ours.sum() >= fooled.sum() > 30


def test_steps_along_the_decaying_sum_of_unit_gradients(conv_net, batch):
    """Dong et al. 2018, algorithm 1, written out."""
    images, labels = batch
    point, velocity = images.clone(), torch.zeros_like(images)
    for _ in range(4):
        point.requires_grad_()
        loss = torch.nn.functional.cross_entropy(conv_net(point), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, point)
        velocity = 0.5 * velocity + gradient / gradient.abs().sum(dim=(1, 2, 3), keepdim=True)
        point = (point.detach() + 0.1 / 4 * velocity.sign()).clamp(images - 0.1, images + 0.1).clamp(0, 1)
    torch.testing.assert_close(MIFGSM(eps=0.1, steps=4, momentum=0.5)(conv_net, images, labels), point)


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
def test_without_momentum_it_is_the_iterated_method(conv_net, batch, norm):
    settings = {"eps": 0.2, "norm": norm, "steps": 5, "step_size": 0.05}
    expected = BIM(**settings)(conv_net, *batch)
    torch.testing.assert_close(MIFGSM(**settings, momentum=0)(conv_net, *batch), expected)


def test_momentum_carries_over_a_gradient_that_turns():
    """The loss falls again behind 0.52: steps alone turn there, the velocity carries further."""
    model = lambda x: torch.stack([(x[:, 0, 0, 0] - 0.52).abs(), 0 * x[:, 0, 0, 0]], dim=1)  # noqa: E731
    images, labels = torch.full((1, 1, 1, 1), 0.5, dtype=torch.float64), torch.tensor([0])
    settings = {"eps": 0.4, "steps": 3, "step_size": 0.03, "loss": "cw"}
    assert BIM(**settings)(model, images, labels).item() == pytest.approx(0.53)
    assert MIFGSM(**settings, momentum=3.0)(model, images, labels).item() == pytest.approx(0.59)


def test_early_stop_keeps_each_samples_own_velocity(conv_net, batch):
    """Samples that leave the batch must not shift the others' momentum."""
    images, labels = batch
    settings = {"eps": 0.03, "steps": 6, "early_stop": True}
    together = MIFGSM(**settings)(conv_net, images, labels)
    alone = torch.cat([MIFGSM(**settings)(conv_net, images[i : i + 1], labels[i : i + 1]) for i in range(len(images))])
    torch.testing.assert_close(together, alone, atol=1e-9, rtol=0)
    assert torch.equal(together[-1], images[-1])  # wrong from the start


def test_settings_are_checked_at_construction():
    assert MIFGSM(eps=0.4, steps=10).step == pytest.approx(0.04)
    assert PGD(eps=0.4, steps=10).step == pytest.approx(0.1)
    for momentum in (-0.1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="`momentum` must be >= 0 and finite, found"):
            MIFGSM(momentum=momentum)
