"""What the attacks that look for the smallest perturbation share, by closed forms on linear models."""

import pytest
import torch

from sparsefront.attacks import FAB, FMN, CarliniWagner, DeepFool, perturbation_norm

ATTACKS = [
    DeepFool(norm="L2"),
    DeepFool(norm="Linf"),
    CarliniWagner(steps=80, binary_search_steps=6, initial_const=0.1),
    FMN(norm="L2", steps=60),
    FMN(norm="Linf", steps=60),
    FMN(norm="L1", steps=150),
    FAB(norm="L2", steps=15),
    FAB(norm="Linf", steps=15),
    FAB(norm="L1", steps=15),
    FAB(norm="L2", steps=10, n_target_classes=3),
]
EVERY = pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: f"{type(a).__name__}-{a.norm}")
DUAL = {"Linf": 1, "L2": 2, "L1": float("inf")}


def linear(attack, n_pixels=12, seed=0):
    """A linear model whose classes share images around grey, and its weights.

    Two classes for one that follows the gradient of the margin: the runner-up need not be the class of the nearest
    boundary.
    """
    n_classes = 2 if isinstance(attack, CarliniWagner) else 4
    weight = torch.randn(n_classes, n_pixels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return weight, lambda images: (images.to(weight.dtype) - 0.5).flatten(1) @ weight.T


def greys(n=6, seed=1):
    """Images so far from black and white that the box never binds."""
    return 0.3 + 0.4 * torch.rand(n, 3, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def closest(weight, logits, labels, norm):
    """min_k (z_label - z_k) / ||w_label - w_k|| in the dual norm: (B,)."""
    gaps = logits.gather(1, labels[:, None]) - logits
    slopes = torch.linalg.vector_norm(weight[labels][:, None] - weight[None], ord=DUAL[norm], dim=2)
    return (gaps / slopes).scatter(1, labels[:, None], torch.inf).amin(dim=1)


@EVERY
def test_on_a_linear_model_it_is_as_near_as_the_boundary(attack):
    weight, model = linear(attack)
    images = greys()
    labels = model(images).argmax(dim=1)
    found = attack(model, images, labels)
    assert (model(found).argmax(dim=1) != labels).all()
    ratio = perturbation_norm(found - images, attack.norm) / closest(weight, model(images), labels, attack.norm)
    assert (ratio >= 1 - 1e-9).all()
    assert (ratio <= 1.03).all()


@EVERY
def test_who_is_wrong_already_stays_as_it_is(attack, conv_net, batch):
    images, labels = batch
    found = attack(conv_net, images, labels)
    assert torch.equal(found[-1], images[-1])
    moved = (found != images).flatten(1).any(dim=1)
    assert moved[:-1].all()
    with torch.no_grad():
        assert (conv_net(found).argmax(dim=1) != labels).all()


@EVERY
def test_who_cannot_be_fooled_stays_as_it_is(attack):
    def model(images):  # the logits have a slope, the gap between them has none
        return images.flatten(1).sum(dim=1, keepdim=True) + torch.tensor([1.0, 0.0])

    images = torch.rand(3, 1, 3, 3)
    assert torch.equal(attack(model, images, torch.zeros(3, dtype=torch.int64)), images)


@EVERY
def test_a_perturbation_above_eps_is_not_returned(attack):
    weight, model = linear(attack)
    images = greys(20)
    labels = model(images).argmax(dim=1)
    near = closest(weight, model(images), labels, attack.norm)
    eps = near.median().item() * 1.1
    found = type(attack)(**{**vars(attack), "eps": eps})(model, images, labels)
    sizes = perturbation_norm(found - images, attack.norm)
    assert (sizes <= eps).all()
    assert torch.equal(sizes > 0, model(found).argmax(dim=1) != labels)
    assert (sizes[near < eps / 1.05] > 0).all()
    assert 0 < (sizes > 0).sum() < 20


def test_a_relative_eps_is_a_multiple_of_the_images_own_norm():
    _, model = linear(DeepFool())
    images = greys(20)
    labels = model(images).argmax(dim=1)
    whole = perturbation_norm(DeepFool()(model, images, labels) - images, "L2")
    share = (whole / perturbation_norm(images, "L2")).median().item()
    found = DeepFool(eps=share, relative=True)(model, images, labels)
    expected = torch.where(whole <= share * perturbation_norm(images, "L2"), whole, 0)
    torch.testing.assert_close(perturbation_norm(found - images, "L2"), expected)


@EVERY
def test_a_rounded_copy_of_the_model_is_fooled_as_well(attack, conv_net, batch):
    """Smallest perturbations end at the boundary, where another order of the sums could turn the verdict."""
    images, labels = batch[0].float(), batch[1]
    single = lambda x: conv_net(x.double()).float()  # noqa: E731
    found = attack(single, images, labels)
    noise = 1 + 4e-7 * (2 * torch.rand(7, 5) - 1)
    with torch.no_grad():
        assert ((single(found) * noise).argmax(dim=1) != labels).all()


@pytest.mark.parametrize(
    ("attack", "norm", "choices"),
    [
        (DeepFool, "L1", "L2, Linf"),
        (CarliniWagner, "Linf", "L2"),
        (FMN, "L0", "Linf, L2, L1"),
        (FAB, "l2", "Linf, L2, L1"),
    ],
)
def test_norms_that_an_attack_does_not_know_are_refused(attack, norm, choices):
    with pytest.raises(ValueError, match=f"`norm` must be one of {choices}, found '{norm}'"):
        attack(norm=norm)


@pytest.mark.parametrize(
    ("attack", "settings", "message"),
    [
        (DeepFool, {"steps": 0}, "`steps` must be at least 1, found 0"),
        (DeepFool, {"n_candidate_classes": 1}, "`n_candidate_classes` must be at least 2, found 1"),
        (DeepFool, {"overshoot": -0.1}, "`overshoot` must be >= 0 and finite, found -0.1; the paper has 0.02"),
        (DeepFool, {"eps": -1}, "`eps` must be >= 0, found -1"),
        (CarliniWagner, {"steps": 0}, "`steps` must be at least 1, found 0"),
        (CarliniWagner, {"binary_search_steps": 0}, "`binary_search_steps` must be at least 1"),
        (CarliniWagner, {"step_size": 0.0}, "`step_size` must be positive and finite, found 0"),
        (CarliniWagner, {"initial_const": -1.0}, "`initial_const` must be positive and finite, found -1"),
        (
            CarliniWagner,
            {"confidence": -1.0},
            "`confidence` must be >= 0 and finite, found -1; it is a difference of logits",
        ),
        (FMN, {"steps": 0}, "`steps` must be at least 1, found 0"),
        (FMN, {"step_size": 0.0}, "`step_size` must be positive and finite, found 0"),
        (FMN, {"shrinkage": 1.0}, r"must lie in \(0, 1\), the final one not above the first, found 1.0 and 0.001"),
        (FMN, {"final_shrinkage": 0.1}, "found 0.05 and 0.1"),
        (FMN, {"n_candidate_classes": 1}, "`n_candidate_classes` must be at least 2, found 1"),
        (FAB, {"n_restarts": 0}, "`n_restarts` must be at least 1, found 0"),
        (FAB, {"n_target_classes": 0}, "`n_target_classes` must be at least 1, found 0"),
        (FAB, {"alpha_max": 1.5}, "`alpha_max` must be from 0 to 1, found 1.5"),
        (FAB, {"eta": 0.5}, "`eta` must be at least 1, found 0.5"),
        (FAB, {"early_stop": True}, "`early_stop` of FAB needs `eps`, found none"),
    ],
)
def test_settings_are_checked_at_construction(attack, settings, message):
    with pytest.raises(ValueError, match=message):
        attack(**settings)
