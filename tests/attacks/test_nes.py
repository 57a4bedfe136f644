"""Steps along estimated gradients."""

import pytest
import torch

from sparsefront.attacks import NES, PGD, perturbation_norm
from sparsefront.attacks.parts.losses import Goal

DIRECTIONS = pytest.mark.parametrize("directions", ["normal", "sign"])


def linear(images):
    """Three classes, (B, 1, 4, 4) float64; the margin's gradient is a known vector."""
    weight = torch.randn(16, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return images.flatten(1) @ weight


@DIRECTIONS
def test_the_estimate_tends_to_the_gradient(directions):
    images = 0.3 + 0.4 * torch.rand(2, 1, 4, 4, dtype=torch.float64)
    attack = NES(n_directions=5000, directions=directions, loss="ce")
    labels = torch.tensor([0, 1])
    estimate = attack._estimate(linear, images, Goal("ce", labels), torch.arange(2), 0)
    point = images.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(linear(point), labels, reduction="sum")
    gradient = torch.autograd.grad(loss, point)[0]
    # An estimate's standard deviation is about ||g|| / sqrt(n) a pixel.
    assert (estimate - gradient).abs().max() < 4 * gradient.flatten(1).norm(dim=1).max() / 5000**0.5 * 2**0.5


@DIRECTIONS
def test_directions_come_in_pairs_at_sigma_from_the_image_and_are_counted(directions):
    asked = []

    def spy(images):
        asked.append(images.clone())
        return linear(images)

    images, labels = torch.full((2, 1, 4, 4), 0.5, dtype=torch.float64), linear(torch.full((2, 1, 4, 4), 0.5).double())
    NES(eps=0, steps=2, n_directions=23, sigma=0.01, directions=directions)(spy, images, labels.argmax(dim=1))
    assert sum(len(part) for part in asked) == 2 * (1 + 2 * (2 * 23 + 1))
    moves = torch.cat([part for part in asked if len(part) > 2]).view(-1, 2, 16) - 0.5
    torch.testing.assert_close(moves[:, 0], -moves[:, 1])
    if directions == "sign":
        torch.testing.assert_close(moves.abs(), torch.full_like(moves, 0.01))
    else:
        assert moves.std().item() == pytest.approx(0.01, rel=0.1)
    assert len(moves[:, 0].unique(dim=0)) == len(moves)


def test_with_many_directions_it_is_nearly_as_strong_as_pgd(conv_net):
    images = torch.rand(60, 2, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        labels = conv_net(images).argmax(dim=1)
        standing = {}
        for attack in (
            NES(eps=0.03, steps=10, n_directions=60, step_size=0.01),
            NES(eps=0.3, steps=10, n_directions=60, step_size=0.1, norm="L2", directions="sign"),
        ):
            settings = {"eps": attack.eps, "norm": attack.norm, "steps": 10, "step_size": attack.step_size}
            white = PGD(loss="cw", random_start=False, **settings)
            standing = [
                (conv_net(a(conv_net, images, labels)).argmax(1) == labels).sum().item() for a in (attack, white)
            ]
            assert standing[1] < 45
            assert standing[0] <= standing[1] + 3


def test_only_standing_samples_are_asked_about(conv_net, batch):
    counts = []

    def spy(images):
        assert not torch.is_grad_enabled()
        counts.append(len(images))
        return conv_net(images)

    images, labels = batch
    found = NES(eps=0.2, steps=10, n_directions=10)(spy, images, labels)
    assert counts[:2] == [7, 6 * 20]
    assert counts[-1] < 6
    assert torch.equal(found[-1], images[-1])


def test_for_a_surrogate_it_goes_on_after_a_sample_has_fallen(conv_net, batch):
    images, labels = batch
    margins = []
    for early_stop in (True, False):
        found = NES(eps=0.2, steps=10, n_directions=20, early_stop=early_stop)(conv_net, images, labels)
        margins.append(Goal("cw", labels).losses(conv_net(found).detach()).mean())
        assert (perturbation_norm(found - images, "Linf") <= 0.2 * (1 + 1e-6)).all()
    assert margins[1] > margins[0] + 0.1


def test_momentum_averages_estimates(conv_net, batch):
    images, labels, rows = batch[0][:1], batch[1][:1], torch.arange(1)
    attack = NES(eps=4.0, steps=2, n_directions=2, momentum=0.9, norm="L2", step_size=1e-3, early_stop=False)
    goal = attack.goal(labels)
    first = attack._estimate(conv_net, images, goal, rows, 0)
    once = images + 1e-3 * first / first.norm()
    mixed = 0.9 * 0.1 * first + 0.1 * attack._estimate(conv_net, once, goal, rows, 1)
    twice = once + 1e-3 * mixed / mixed.norm()
    points = []
    attack(lambda x: (points.append(x.clone()), conv_net(x))[1], images, labels)
    torch.testing.assert_close(points[-1], twice.clamp(0, 1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "`steps` must be at least 1"),
        ({"n_directions": 0}, "`n_directions` must be at least 1"),
        ({"sigma": 0}, r"`sigma` must be positive and finite, found 0; 0.001 suits pixels in \[0, 1\]"),
        ({"step_size": 0}, "`step_size` must be positive and finite, found 0; leave it out"),
        ({"momentum": 1.0}, "`momentum` must be from 0 to below 1, found 1"),
        ({"directions": "gaussian"}, "`directions` must be one of normal, sign"),
        ({"l1_sparsity": 0.0}, "`l1_sparsity` must be above 0 and at most 1, found 0"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        NES(**settings)
