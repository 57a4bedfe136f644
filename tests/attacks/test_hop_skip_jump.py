"""HopSkipJump: the estimate, the walk, and how near it gets."""

import copy

import pytest
import torch

from sparsefront.attacks import HopSkipJump, perturbation_norm
from sparsefront.attacks.parts.queries import fools
from sparsefront.attacks.parts.to_boundary import to_boundary
from tests.helpers.precision import DTYPE

NORMS = pytest.mark.parametrize("norm", ["L2", "Linf"])


def linear(n_pixels=16):
    """Two classes with a random boundary through the middle of the box, and its normal at length 1."""
    weight = torch.randn(n_pixels, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    weight = weight / weight.norm()

    def model(images):
        side = (images - 0.5).flatten(1) @ weight
        return torch.stack([-side, side], dim=1)

    return model, weight


@NORMS
def test_on_a_linear_model_it_reaches_the_distance_to_the_boundary(norm):
    model, weight = linear()
    images = 0.45 + 0.1 * torch.rand(8, 1, 4, 4, dtype=torch.float64)
    labels = model(images).argmax(dim=1)
    gap = ((images - 0.5).flatten(1) @ weight).abs()
    closest = gap if norm == "L2" else gap / weight.abs().sum()
    others = torch.rand(40, 1, 4, 4, dtype=torch.float64)
    attack = HopSkipJump(norm=norm, steps=12, n_directions=100).fitted(model, others, model(others).argmax(dim=1))
    found = attack(model, images, labels)
    assert (model(found).argmax(dim=1) != labels).all()
    assert (perturbation_norm(found - images, norm) >= closest * (1 - 1e-9)).all()
    assert (perturbation_norm(found - images, norm).mean() <= closest.mean() * 1.15).all()


def test_the_estimate_points_along_the_boundarys_normal():
    model, weight = linear()
    images = 0.4 + 0.2 * torch.rand(4, 1, 4, 4, dtype=torch.float64)
    labels = model(images).argmax(dim=1)
    far = 1 - images
    near = to_boundary(lambda points: fools(model, points, labels, False), images, far, "L2", 40)
    reach = torch.full((4,), 1e-3, dtype=torch.float64)
    normals = HopSkipJump()._normals(model, near, reach, labels, torch.arange(4), 3000, 0)
    towards = torch.where(labels == 0, 1.0, -1.0)
    assert ((normals.flatten(1) @ weight) * towards > 0.98).all()


@pytest.mark.parametrize("verdict", [0, 1])
def test_where_all_decisions_are_one_the_estimate_is_along_or_against_the_mean_direction(verdict):
    def model(images):
        votes = torch.full((len(images),), float(verdict))
        return torch.stack([1 - votes, votes], dim=1)

    near, rows = torch.full((2, 1, 3, 3), 0.5), torch.arange(2)
    attack = HopSkipJump()
    normals = attack._normals(model, near, torch.full((2,), 0.1), torch.zeros(2, dtype=torch.int64), rows, 10, 0)
    mean = attack._directions(rows, near, 0).sum(dim=1)
    expected = (2 * verdict - 1) * mean / mean.flatten(1).norm(dim=1)[:, None, None, None]
    torch.testing.assert_close(normals, expected)


@NORMS
def test_more_steps_bring_it_nearer_and_never_further(conv_net, norm):
    images, others = (torch.rand(n, 2, 6, 6, dtype=torch.float64) for n in (20, 60))
    with torch.no_grad():
        labels, other_labels = conv_net(images).argmax(dim=1), conv_net(others).argmax(dim=1)
    sizes = []
    for steps in (1, 4, 10):
        attack = HopSkipJump(norm=norm, steps=steps, n_directions=30).fitted(conv_net, others, other_labels)
        sizes.append(perturbation_norm(attack(conv_net, images, labels) - images, norm))
    assert (sizes[1] <= sizes[0]).all()
    assert (sizes[2] <= sizes[1]).all()
    assert sizes[2].mean() < 0.8 * sizes[0].mean()


def test_directions_of_the_t_th_estimate_grow_with_its_root_up_to_the_most(monkeypatch):
    model, _ = linear()
    counts, estimate = [], HopSkipJump._normals

    def spy(self, *args):
        counts.append(args[-2])
        return estimate(self, *args)

    monkeypatch.setattr(HopSkipJump, "_normals", spy)
    images = torch.full((1, 1, 4, 4), 0.4, dtype=torch.float64)
    attack = HopSkipJump(start="noise", steps=5, n_directions=50, max_directions=90)
    attack(model, images, model(images).argmax(dim=1))
    assert counts == [50, 70, 86, 90, 90]


@NORMS
def test_as_near_as_foolboxs(conv_net, norm):
    foolbox = pytest.importorskip("foolbox")
    images, others = (torch.rand(n, 2, 6, 6) for n in (40, 100))
    net = copy.deepcopy(conv_net).to(DTYPE)
    with torch.no_grad():
        labels, other_labels = net(images).argmax(dim=1), net(others).argmax(dim=1)
    attack = HopSkipJump(norm=norm, steps=6, n_directions=50).fitted(net, others, other_labels)
    found = attack(net, images, labels)
    start, _ = attack._starts(net, images, labels, torch.arange(40))
    oracle = foolbox.attacks.HopSkipJumpAttack(
        steps=6, initial_gradient_eval_steps=50, constraint=norm.lower(), init_attack=None
    )
    theirs = oracle.run(foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu"), images, labels, starting_points=start)
    with torch.no_grad():
        assert (net(found).argmax(dim=1) != labels).all()
    assert perturbation_norm(found - images, norm).mean() <= 1.02 * perturbation_norm(theirs - images, norm).mean()
