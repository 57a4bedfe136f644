"""The universal perturbation: fitted on some images, it fools others."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from sparsefront.attacks import UniversalPerturbation, perturbation_norm


@pytest.fixture
def samples(conv_net):
    """Images to fit on and others, with the labels that the model gives them."""
    images = torch.rand(200, 2, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        labels = conv_net(images).argmax(dim=1)
    return images[:100], labels[:100], images[100:], labels[100:]


@pytest.mark.parametrize(("norm", "eps"), [("Linf", 0.05), ("L2", 0.3)])
def test_one_pattern_fools_images_it_was_not_fitted_on(conv_net, samples, norm, eps):
    images, labels, others, other_labels = samples
    attack = UniversalPerturbation(eps=eps, norm=norm).fitted(conv_net, images, labels)
    zero = torch.zeros(1, 2, 6, 6, dtype=torch.float64)
    pattern = attack(conv_net, 0.5 + zero, torch.tensor([0])) - 0.5
    assert perturbation_norm(pattern, norm) <= eps * (1 + 1e-9)
    found = attack(conv_net, others, other_labels)
    torch.testing.assert_close(found, (others + pattern).clamp(0, 1))
    noise = eps * torch.randn(100, 2, 6, 6).sign().double() / (1 if norm == "Linf" else 72**0.5)
    with torch.no_grad():
        fell = (conv_net(found).argmax(dim=1) != other_labels).float().mean()
        by_noise = (conv_net((others + noise).clamp(0, 1)).argmax(dim=1) != other_labels).float().mean()
    assert fell >= 0.2
    assert fell >= 3 * by_noise


def test_it_must_be_fitted_first(conv_net, batch):
    attack = UniversalPerturbation()
    assert attack.n_fitting_images == 1000
    with pytest.raises(ValueError, match="UniversalPerturbation must be fitted on training images before it attacks"):
        attack(conv_net, *batch)


def test_fitting_returns_a_frozen_attack_and_leaves_the_first_one_alone(conv_net, samples):
    images, labels, *_ = samples
    attack, before = UniversalPerturbation(epochs=1), copy.deepcopy(images)
    fitted = attack.fitted(conv_net, images, labels)
    assert torch.equal(images, before)
    assert fitted.n_fitting_images == 0  # nothing more to fit
    with pytest.raises(ValueError, match="must be fitted"):
        attack(conv_net, images, labels)
    with pytest.raises(dataclasses.FrozenInstanceError):
        fitted.eps = 1.0


def test_the_same_seed_gives_the_same_pattern_and_leaves_torchs_alone(conv_net, samples):
    images, labels, others, other_labels = samples
    state = torch.random.get_rng_state()
    with torch.inference_mode():
        found = [
            UniversalPerturbation(epochs=2, batch_size=30, seed=seed).fitted(conv_net, images + 0, labels)(
                conv_net, others, other_labels
            )
            for seed in (0, 0, 1)
        ]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_images_that_the_model_gets_wrong_do_not_count(conv_net, samples):
    images, labels, others, other_labels = samples
    some = UniversalPerturbation(epochs=1).fitted(conv_net, images[:50], labels[:50])
    wrong = torch.cat([labels[:50], (labels[50:] + 1) % 5])
    more = UniversalPerturbation(epochs=1).fitted(conv_net, images, wrong)
    assert torch.equal(some(conv_net, others, other_labels), more(conv_net, others, other_labels))
    with pytest.raises(ValueError, match="must hold some that the model gets right, found 50 wrong ones"):
        some.fitted(conv_net, images[50:], wrong[50:])
    with pytest.raises(ValueError, match="must hold some to fit on, found none"):
        some.fitted(conv_net, images[:0], labels[:0])


def test_two_classes_and_a_model_without_slope_are_no_trouble():
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2, bias=False))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].weight[0] = 1.0
    images, labels = torch.rand(5, 1, 4, 4), torch.zeros(5, dtype=torch.int64)
    fitted = UniversalPerturbation(eps=0.5).fitted(model, images, labels)
    torch.testing.assert_close(fitted(model, images, labels), (images - 0.5).clamp(0, 1))
    flat = lambda x: 0 * x.flatten(1)[:, :2] + torch.tensor([1.0, 0.0])  # noqa: E731
    still = UniversalPerturbation().fitted(flat, images, labels)
    assert torch.equal(still(flat, images, labels), images)


def test_images_of_another_shape_are_named(conv_net, samples):
    attack = UniversalPerturbation(epochs=1).fitted(conv_net, *samples[:2])
    with pytest.raises(
        ValueError, match=r"shape \(2, 6, 6\) that the universal perturbation was fitted on, found \(2, 7, 6\)"
    ):
        attack(conv_net, torch.rand(1, 2, 7, 6), torch.tensor([0]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"norm": "L1"}, "`norm` must be one of Linf, L2, found 'L1'"),
        ({"epochs": 0}, "`epochs` must be at least 1, found 0"),
        ({"n_fitting_images": 0}, "`n_fitting_images` must be at least 1"),
        ({"step_size": 0.0}, "`step_size` must be positive and finite, found 0; it is a multiple of eps"),
    ],
)
def test_settings_are_checked_at_construction(settings, message):
    with pytest.raises(ValueError, match=message):
        UniversalPerturbation(**settings)
