import pytest
import torch

from sparsefront.attacks import FGSM, RFGSM, perturbation_norm
from sparsefront.common.noise import normal

SHAPE = torch.Size([3, 2, 2])


def test_on_a_linear_model_linf_lands_on_the_closed_form():
    """x + alpha sign(z) + (eps - alpha) sign(g), from noise that (seed, sample) name."""
    weights = torch.randn(12, 2, dtype=torch.float64)
    images, labels = 0.3 + 0.4 * torch.rand(5, *SHAPE, dtype=torch.float64), torch.tensor([0, 1, 1, 0, 1])
    indices = torch.tensor([9, 4, 0, 70, 2])
    away = (weights.T[1 - labels] - weights.T[labels]).view_as(images)
    noise = normal(indices, SHAPE, seed=3, stream=0).double()
    found = RFGSM(eps=0.2, alpha=0.05, seed=3)(lambda x: x.flatten(1) @ weights, images, labels, indices)
    torch.testing.assert_close(found, images + 0.05 * noise.sign() + 0.15 * away.sign())


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
def test_alpha_0_is_fgsm_and_alpha_eps_is_noise_alone(conv_net, batch, norm):
    expected = FGSM(eps=0.2, norm=norm)(conv_net, *batch)
    assert torch.equal(RFGSM(eps=0.2, norm=norm, alpha=0)(conv_net, *batch), expected)
    images = torch.full_like(batch[0], 0.5)
    noise = RFGSM(eps=0.2, norm=norm, alpha=0.2)(conv_net, images, batch[1])
    torch.testing.assert_close(perturbation_norm(noise - images, norm), torch.full((7,), 0.2, dtype=torch.float64))
    assert torch.equal(noise, RFGSM(eps=0.2, norm=norm, alpha=0.2)(conv_net, images, (batch[1] + 1) % 5))


def test_leaves_a_point_without_a_gradient(conv_net):
    """A defense that is flat around the image itself: FGSM finds no direction, R-FGSM does."""
    images = torch.full((20, 1, 2, 2), 0.5, dtype=torch.float64)
    weights = torch.randn(4, 2, dtype=torch.float64)
    flat = lambda x: ((x - 0.5).abs() - 0.01).relu().mul((x - 0.5).sign()).flatten(1) @ weights  # noqa: E731
    labels = torch.zeros(20, dtype=torch.int64)
    attack = {"eps": 0.1, "loss": "cw"}
    assert torch.equal(FGSM(**attack)(flat, images, labels), images)
    lost = flat(RFGSM(**attack)(flat, images, labels)).argmax(dim=1) == 1
    assert lost.double().mean() > 0.5


def test_settings_are_checked_at_construction():
    with pytest.raises(ValueError, match=r"`alpha` must be at most `eps`, 0.1, found 0.2; no budget would be left"):
        RFGSM(eps=0.1, alpha=0.2)
    with pytest.raises(ValueError, match=r"`alpha` must be >= 0, found -0.1"):
        RFGSM(eps=0.1, alpha=-0.1)
    assert RFGSM().single_step
    assert FGSM().single_step
