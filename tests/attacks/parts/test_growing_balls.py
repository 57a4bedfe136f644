"""What searches for the smallest perturbation end with where they find nothing."""

import pytest
import torch

from sparsefront.attacks import FAB, FMN, CarliniWagner, DeepFool, perturbation_norm
from sparsefront.attacks.parts.growing_balls import cross_somewhere

NORMS = pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
# Searches so short that they find nothing.
SHORT = [
    DeepFool(norm="L2", steps=1),
    DeepFool(norm="Linf", steps=1),
    CarliniWagner(steps=2, binary_search_steps=1),
    FAB(norm="L2", steps=1, eta=1.0),
    FMN(norm="L2", steps=1),
    FMN(norm="L1", steps=1),
]
EVERY = pytest.mark.parametrize("attack", SHORT, ids=lambda a: f"{type(a).__name__}-{a.norm}")


def bent(images):
    """Two classes with a boundary at a mean of 0.7, and a slope that is flatter before it than beyond."""
    mean = images.flatten(1).mean(dim=1) - 0.7
    lead = torch.where(mean < 0, 2 * mean - mean.square() * 4, mean)
    return torch.stack([-lead, lead], dim=1)


def greys(n=6):
    return 0.2 + 0.3 * torch.rand(n, 1, 4, 4, dtype=torch.float64)


def fallen(model, images, labels):
    with torch.no_grad():
        return model(images).argmax(dim=1) != labels


@EVERY
def test_a_search_that_finds_nothing_ends_with_an_image_that_fools(attack, monkeypatch):
    images, labels = greys(), torch.zeros(6, dtype=torch.int64)
    found = attack(bent, images, labels)
    assert fallen(bent, found, labels).all()
    with monkeypatch.context() as without:
        without.setattr(type(attack), "_fall_back", lambda *_: None)
        alone = attack(bent, images, labels)
    assert (~fallen(bent, alone, labels)).any()
    kept = fallen(bent, alone, labels)
    assert torch.equal(found[kept], alone[kept])


@EVERY
def test_within_eps_nothing_is_searched_for_once_more(attack):
    images, labels = greys(), torch.zeros(6, dtype=torch.int64)
    bounded = type(attack)(**{**vars(attack), "eps": 1.0 if attack.norm == "Linf" else 4.0})
    assert not fallen(bent, bounded(bent, images, labels), labels).all()


@NORMS
def test_on_a_linear_model_it_ends_at_the_boundary(norm):
    """Equal weights: from a grey image steepest ascent in Linf and L2 goes the shortest way."""
    images, labels = greys(), torch.zeros(6, dtype=torch.int64)

    def model(points):
        lead = points.flatten(1).mean(dim=1) - 0.7
        return torch.stack([-lead, lead], dim=1)

    found = cross_somewhere(model, images, labels, torch.arange(6), norm)
    leads = model(found)[:, 1]
    assert (leads > 0).all()
    assert (leads < 1e-6).all()
    gaps = 0.7 - images.flatten(1).mean(dim=1)
    shortest = gaps * {"Linf": 1, "L2": 4, "L1": 16}[norm]
    sizes = perturbation_norm(found - images, norm)
    assert (sizes >= shortest * (1 - 1e-9)).all()
    if norm != "L1":
        assert (sizes <= shortest * 1.25).all()


def test_where_gradients_are_zero_noise_fools():
    def model(images):  # rounds, so that no gradient leads anywhere
        return bent(images + 0.2).detach() + 0 * images.sum()

    images, labels = greys(), torch.zeros(6, dtype=torch.int64)
    found = DeepFool()(model, images, labels)
    assert fallen(model, found, labels).all()


def test_a_target_and_a_confidence_are_reached(conv_net, batch):
    images, labels = batch[0], (batch[1] + 1) % 5
    with torch.no_grad():
        standing = conv_net(images).argmax(dim=1) != labels
    found = cross_somewhere(conv_net, images, labels, torch.arange(7), "L2", targeted=True, confidence=0.2)
    with torch.no_grad():
        logits = conv_net(found)
    top = logits.topk(2, dim=1).values
    reached = (logits.argmax(dim=1) == labels) & (top[:, 0] - top[:, 1] >= 0.2)
    assert reached[standing].sum() >= 4


def test_what_is_found_does_not_depend_on_the_batch(conv_net, batch):
    images, labels, numbers = batch[0][:6], batch[1][:6], torch.arange(6)
    whole = cross_somewhere(conv_net, images, labels, numbers, "L2")
    for row in range(6):
        one = cross_somewhere(conv_net, images[row : row + 1], labels[row : row + 1], numbers[row : row + 1], "L2")
        torch.testing.assert_close(one, whole[row : row + 1])


def test_who_cannot_be_fooled_stays_as_he_is():
    images, labels = greys(), torch.zeros(6, dtype=torch.int64)

    def constant(points):
        return torch.tensor([[1.0, 0.0]], dtype=torch.float64) + 0 * points.flatten(1)[:, :1]

    assert torch.equal(cross_somewhere(constant, images, labels, torch.arange(6), "L2"), images)
