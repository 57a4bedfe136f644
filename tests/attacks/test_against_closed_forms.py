"""Attacks on a linear model, where the right answer is known, and against foolbox, where it is not."""

import foolbox
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from torch import nn

from attacks import FGSM, PGD, Attack, size
from attacks.norms import linear_maximiser, project

SHAPE = (1, 3, 3)


def linear(n_classes=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(n_classes, 9, generator=generator, dtype=torch.float64)
    return weight, lambda images: images.flatten(1).to(weight.dtype) @ weight.T


def inside(n=6, seed=1):
    """Images far enough from 0 and 1 that the box never binds."""
    return 0.3 + 0.4 * torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("attack", [FGSM(eps=0.1), PGD(eps=0.1, steps=20), PGD(eps=0.1, steps=20, loss="cw")])
def test_linf_attacks_land_on_the_corner_against_the_weights(attack):
    weight, model = linear()
    images, labels = inside(), torch.tensor([0, 1, 0, 1, 0, 1])
    towards = weight[1 - labels] - weight[labels]
    expected = images + 0.1 * towards.sign().view_as(images)
    torch.testing.assert_close(attack(model, images, labels), expected)


@pytest.mark.parametrize("attack", [FGSM(eps=0.2, norm="L2"), PGD(eps=0.2, norm="L2", steps=60, step_size=0.2)])
def test_l2_attacks_land_on_the_ray_along_the_weights(attack):
    weight, model = linear()
    images, labels = inside(), torch.tensor([0, 1, 0, 1, 0, 1])
    towards = weight[1 - labels] - weight[labels]
    expected = images + 0.2 * (towards / towards.norm(dim=1, keepdim=True)).view_as(images)
    torch.testing.assert_close(attack(model, images, labels), expected, atol=1e-4, rtol=0)


def best_margin_in_l1(images, towards, eps):
    """Largest <towards, x> over the L1 ball and the box, by linear programming over x = x0 + p - q."""
    values = []
    for image, direction in zip(images.flatten(1).numpy(), towards.numpy(), strict=True):
        bounds = [(0, 1 - pixel) for pixel in image] + [(0, pixel) for pixel in image]
        cost = [*-direction, *direction]
        values.append(-linprog(cost, A_ub=[[1.0] * 18], b_ub=[eps], bounds=bounds).fun)
    return torch.tensor(values, dtype=torch.float64)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), eps=st.floats(0.05, 4))
def test_one_l1_step_is_the_linear_programs_optimum(seed, eps):
    weight, model = linear(seed=seed)
    images = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    labels = torch.tensor([0, 1, 0])
    towards = weight[1 - labels] - weight[labels]
    found = FGSM(eps=eps, norm="L1")(model, images, labels)
    gained = ((found - images).flatten(1) * towards).sum(dim=1)
    torch.testing.assert_close(gained, best_margin_in_l1(images, towards, eps), atol=1e-6, rtol=1e-6)


def test_l1_pgd_comes_near_the_linear_programs_optimum():
    weight, model = linear()
    images, labels = inside(), torch.tensor([0, 1, 0, 1, 0, 1])
    towards = weight[1 - labels] - weight[labels]
    found = PGD(eps=0.5, norm="L1", steps=300, step_size=0.01, l1_sparsity=0.12)(model, images, labels)
    gained = ((found - images).flatten(1) * towards).sum(dim=1)
    assert (gained >= 0.98 * best_margin_in_l1(images, towards, 0.5)).all()


@pytest.fixture(scope="module")
def convnet():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(200, 5)
    ).eval()


@pytest.mark.parametrize(
    ("ours", "theirs", "eps"),
    [
        (FGSM(eps=0.03), foolbox.attacks.FGSM(), 0.03),
        (FGSM(eps=0.5, norm="L2"), foolbox.attacks.L2FastGradientAttack(), 0.5),
        (
            PGD(eps=0.03, steps=10, step_size=0.01, random_start=False),
            foolbox.attacks.LinfPGD(abs_stepsize=0.01, steps=10, random_start=False),
            0.03,
        ),
        (
            PGD(eps=0.5, norm="L2", steps=10, step_size=0.1, random_start=False),
            foolbox.attacks.L2PGD(abs_stepsize=0.1, steps=10, random_start=False),
            0.5,
        ),
    ],
    ids=["fgsm-linf", "fgsm-l2", "pgd-linf", "pgd-l2"],
)
@pytest.mark.filterwarnings("ignore")
def test_images_are_those_of_foolbox(convnet, ours, theirs, eps):
    images, labels = torch.rand(16, 3, 13, 13), torch.randint(5, (16,))
    wrapped = foolbox.PyTorchModel(convnet, bounds=(0, 1), device="cpu")
    _, expected, _ = theirs(wrapped, images, labels, epsilons=eps)
    torch.testing.assert_close(ours(convnet, images, labels), expected, atol=1e-5, rtol=0)


@settings(max_examples=40, deadline=None)
@given(
    norm=st.sampled_from(["Linf", "L2", "L1"]),
    eps=st.sampled_from([0.0, 0.01, 0.3, 2.0, 100.0]),
    loss=st.sampled_from(["ce", "cw", "dlr"]),
    batch=st.integers(1, 4),
    kind=st.sampled_from(["random", "zero", "one", "grey"]),
    early_stop=st.booleans(),
    targeted=st.booleans(),
    seed=st.integers(0, 9),
)
def test_every_image_stays_in_its_ball_and_in_the_box(norm, eps, loss, batch, kind, early_stop, targeted, seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 4))
    images = {"random": torch.rand, "zero": torch.zeros, "one": torch.ones, "grey": torch.rand}[kind](batch, 2, 4, 5)
    if kind == "grey":
        images[:] = 0.5
    labels = torch.randint(4, (batch,))
    settings_ = {"eps": eps, "norm": norm, "loss": loss, "targeted": targeted}
    for attack in (FGSM(**settings_), PGD(**settings_, steps=3, n_restarts=2, early_stop=early_stop)):
        found = attack(model, images, labels)
        assert found.shape == images.shape
        assert found.dtype == images.dtype
        assert found.min() >= 0
        assert found.max() <= 1
        assert (size(found - images, norm) <= eps * (1 + 1e-5) + 1e-6).all()
        assert not found.requires_grad


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999), eps=st.floats(0.01, 5), norm=st.sampled_from(["Linf", "L2", "L1"]))
def test_projection_is_the_nearest_point_of_the_ball(seed, eps, norm):
    """p is the projection of x on a convex set iff <x - p, q - p> <= 0 for every q in it."""
    torch.manual_seed(seed)
    delta = 2 * torch.randn(3, 1, 2, 3, dtype=torch.float64)
    nearest = project(delta, eps, norm)
    assert (size(nearest, norm) <= eps * (1 + 1e-9)).all()
    others = torch.randn(200, 3, 6, dtype=torch.float64)
    others = others * (eps / size(others.flatten(0, 1), norm).view(200, 3, 1)) * torch.rand(200, 3, 1)
    vertices = eps * torch.eye(6, dtype=torch.float64)[:, None].expand(6, 3, 6)
    for point in torch.cat([others, vertices, -vertices] if norm == "L1" else [others]):
        inner = ((delta - nearest).flatten(1) * (point - nearest.flatten(1))).sum(dim=1)
        assert (inner <= 1e-9).all()


def test_a_model_without_a_gradient_gives_no_nan():
    images = torch.rand(3, 1, 4, 4)
    for norm in ("Linf", "L2", "L1"):
        found = PGD(norm=norm, steps=2)(lambda x: 0 * x.flatten(1)[:, :3], images, torch.tensor([0, 1, 2]))
        assert found.isfinite().all()
        assert torch.equal(linear_maximiser(torch.zeros_like(images), images, 0.1, norm), images)


def test_the_size_of_one_number_in_pixel_units():
    images, labels = torch.full((1, 1, 2, 2), 0.5), torch.tensor([0])
    found = FGSM(eps="8/255")(lambda x: torch.stack([-x.sum((1, 2, 3)), x.sum((1, 2, 3))], 1), images, labels)
    torch.testing.assert_close(found, torch.full((1, 1, 2, 2), 0.5 + 8 / 255))


def test_an_attack_is_what_it_promises_to_be():
    assert issubclass(PGD, Attack)
    assert PGD(eps="8/255") == PGD(eps="8/255")  # frozen settings, nothing else
