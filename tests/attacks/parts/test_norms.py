import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import kstest

from sparsefront.attacks.parts.balls import confine, project, random_point
from sparsefront.attacks.parts.norms import perturbation_norm, radii
from sparsefront.attacks.parts.steps import linear_maximiser, steepest
from sparsefront.common.noise import normal, uniform

NORMS = ["Linf", "L2", "L1"]
DUAL = {"Linf": "L1", "L2": "L2", "L1": "Linf"}
# Zeros, ties and magnitudes far apart.
values = st.sampled_from([0.0, 1.0, -1.0, 0.3, -0.3, 1e-9, -1e6]) | st.floats(-2, 2)
rows = st.lists(st.lists(values, min_size=6, max_size=6), min_size=1, max_size=4)


def images_like(rows):
    return torch.tensor(rows, dtype=torch.float64).view(-1, 1, 2, 3)


def inner(a, b):
    return (a * b).flatten(1).sum(dim=1)


@pytest.mark.parametrize(("norm", "expected"), [("Linf", 4.0), ("L2", 5.0), ("L1", 7.0)])
def test_size_is_the_norm_of_each_sample(norm, expected):
    delta = torch.tensor([[3.0, -4.0], [0.0, 0.0]]).view(2, 1, 1, 2)
    assert perturbation_norm(delta, norm).tolist() == [expected, 0.0]


@pytest.mark.parametrize("norm", NORMS)
@given(rows=rows, eps=st.sampled_from([0.0, 0.1, 1.0, 2.0]))
@settings(deadline=None, max_examples=60)
def test_projection_is_the_nearest_point_of_the_ball(norm, rows, eps):
    """p is nearest iff it is in the ball no z of the ball has <x - p, z> > <x - p, p>; the dual norm has the best z."""
    delta = images_like(rows)
    nearest = project(delta, eps, norm)
    scale = 1 + perturbation_norm(delta, "L1")
    assert (perturbation_norm(nearest, norm) <= eps + 1e-12 * scale).all()
    gap = eps * perturbation_norm(delta - nearest, DUAL[norm]) - inner(delta - nearest, nearest)
    assert (gap.abs() <= 1e-10 * scale * max(eps, 1)).all()


@pytest.mark.parametrize("norm", NORMS)
def test_projection_leaves_the_ball_itself_alone(norm):
    delta = random_point(torch.randn(50, 1, 2, 3), torch.rand(50, 1, 2, 3), 0.7, norm)
    assert torch.equal(project(delta, 0.8, norm), delta)
    once = project(5 * delta, 0.8, norm)
    torch.testing.assert_close(project(once, 0.8, norm), once, rtol=1e-6, atol=1e-7)


def test_l1_projection_agrees_with_bisection():
    delta = torch.randn(20, 1, 5, 5, dtype=torch.float64)
    for found, x in zip(project(delta, 3.0, "L1"), delta.numpy(), strict=True):
        low, high = 0.0, np.abs(x).max()
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if np.maximum(np.abs(x) - middle, 0).sum() > 3 else (low, middle)
        np.testing.assert_allclose(found, np.sign(x) * np.maximum(np.abs(x) - low, 0), atol=1e-12)


def test_l1_projection_of_a_large_float32_image_stays_in_the_ball():
    delta = torch.rand(2, 3, 224, 224) - 0.5
    assert (perturbation_norm(project(delta, 30.0, "L1").double(), "L1") <= 30 * (1 + 1e-4)).all()


@pytest.mark.parametrize("norm", NORMS)
@given(rows=rows, eps=st.sampled_from([0.0, 0.1, 1.0, 2.0, 9.0]), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_confined_images_are_the_nearest_of_ball_and_box(norm, rows, eps, seed):
    """p is nearest iff no z of ball and box has <x - p, z - p> > 0; linear_maximiser knows the best z."""
    moves = images_like(rows)
    images = torch.rand(moves.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).round(
        decimals=1
    )
    nearest = confine(images + moves, images, eps, norm)
    assert ((nearest >= 0) & (nearest <= 1)).all()
    assert (perturbation_norm(nearest - images, norm) <= eps * (1 + 1e-12) + 1e-12).all()
    if norm != "L2":
        left = images + moves - nearest
        best = linear_maximiser(left, images, eps, norm)
        assert (inner(left, best - nearest) <= 1e-10 * (1 + perturbation_norm(moves, "L1"))).all()


def test_confining_to_the_l1_ball_and_the_box_keeps_the_budget_that_clipping_throws_away():
    images, moves = torch.tensor([0.9, 0.5]).view(1, 1, 1, 2), torch.tensor([0.6, 0.6]).view(1, 1, 1, 2)
    found = confine(images + moves, images, 0.4, "L1")
    torch.testing.assert_close(found.flatten(), torch.tensor([1.0, 0.8]))
    clipped = (images + project(moves, 0.4, "L1")).clamp(0, 1)
    torch.testing.assert_close(clipped.flatten(), torch.tensor([1.0, 0.7]))


@pytest.mark.parametrize("spread", [1.0, 1e-3])
def test_confining_a_large_float32_image_spends_its_l1_budget_and_no_more(spread):
    """The roundings of 150,528 pixels, which few of the moves exceed by much, must not add up."""
    images, noise = torch.rand(2, 3, 224, 224), spread * torch.randn(2, 3, 224, 224)
    spent = perturbation_norm((confine(images + noise, images, 30.0, "L1").double() - images.double()), "L1")
    assert (spent <= 30 * (1 + 1e-6)).all()
    assert (spent >= 30 * (1 - 1e-3)).all()


@pytest.mark.parametrize("norm", NORMS)
def test_every_row_may_have_a_radius_of_its_own(norm):
    g, x = torch.randn(5, 1, 3, 3), torch.rand(5, 1, 3, 3)
    eps, shares = torch.tensor([0.0, 0.1, 0.5, 1.0, 50.0]), torch.tensor([0.01, 0.3, 0.5, 0.7, 1.0])
    z, u = torch.randn(5, 1, 3, 3), torch.rand(5, 1, 3, 3)
    whole = [
        project(g, eps, norm),
        confine(x + g, x, eps, norm),
        steepest(g, x, eps, norm, shares),
        linear_maximiser(g, x, eps, norm),
        random_point(z, u, eps, norm),
    ]
    for i in range(5):
        one, e = slice(i, i + 1), float(eps[i])
        alone = [
            project(g[one], e, norm),
            confine(x[one] + g[one], x[one], e, norm),
            steepest(g[one], x[one], e, norm, float(shares[i])),
            linear_maximiser(g[one], x[one], e, norm),
            random_point(z[one], u[one], e, norm),
        ]
        for together, by_itself in zip(whole, alone, strict=True):
            torch.testing.assert_close(together[one], by_itself, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("norm", "own"), [("Linf", 0.8), ("L2", 1.0), ("L1", 1.4)])
def test_radii_are_eps_or_a_multiple_of_the_images_own_norm(norm, own):
    images = torch.tensor([[0.6, 0.8], [0.0, 0.0]], dtype=torch.float64).view(2, 1, 1, 2)
    assert radii(0.25, images, norm).tolist() == [0.25, 0.25]
    torch.testing.assert_close(radii(0.25, images, norm, relative=True).tolist(), [own / 4, 0.0])
    assert radii(0.1, images, norm, relative=True).dtype == torch.float64
    assert radii(0.1, images[:0], norm, relative=True).shape == (0,)


def test_radii_of_a_large_half_precision_image_are_finite():
    images = torch.ones(1, 3, 224, 224, dtype=torch.float16)  # its L1 norm, 150528, is no half-precision number
    assert radii(0.1, images, "L1", relative=True).item() == pytest.approx(15052.8, rel=1e-3)


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1.0, 1e30])
def test_l2_step_has_full_length_whatever_the_scale_of_the_gradient(scale):
    gradient = scale * torch.randn(4, 3, 2, 2)
    step = steepest(gradient, torch.rand(4, 3, 2, 2), 0.5, "L2", 1.0)
    torch.testing.assert_close(perturbation_norm(step, "L2"), torch.full((4,), 0.5))
    cosine = torch.cosine_similarity(step.double().flatten(1), gradient.double().div(scale).flatten(1))
    torch.testing.assert_close(cosine, torch.ones(4).double(), atol=1e-6, rtol=0)


def test_linf_step_is_the_sign():
    gradient = torch.tensor([[2.0, -1e-30], [0.0, -3.0]]).view(2, 1, 1, 2)
    step = steepest(gradient, torch.rand(2, 1, 1, 2), 0.5, "Linf", 1.0)
    assert step.flatten(1).tolist() == [[0.5, -0.5], [0.0, -0.5]]


def test_l1_step_spends_itself_on_the_largest_pixels_that_have_room():
    gradient = torch.tensor([[9.0, -8.0, 7.0, -6.0, 5.0, 0.0]]).view(1, 1, 2, 3)
    images = torch.tensor([[1.0, 0.0, 0.5, 0.5, 0.5, 0.5]]).view(1, 1, 2, 3)  # the two largest cannot move
    step = steepest(gradient, images, 1.0, "L1", 2 / 6)
    torch.testing.assert_close(step.flatten(), torch.tensor([0.0, 0.0, 0.5, -0.5, 0.0, 0.0]))
    one = steepest(gradient, images, 1.0, "L1", 1e-6)
    assert one.flatten().tolist() == [0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize("norm", NORMS)
def test_a_zero_gradient_gives_a_zero_step(norm):
    images, gradient = torch.rand(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)
    gradient[1] = 1.0
    step = steepest(gradient, images, 0.5, norm, 0.5)
    assert step[0].abs().sum() == 0
    assert step[1].abs().sum() > 0
    assert torch.equal(linear_maximiser(gradient, images, 0.5, norm)[0], images[0])


@pytest.mark.parametrize("norm", ["Linf", "L1"])
@given(rows=rows, eps=st.sampled_from([0.0, 0.2, 1.3, 9.0]), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_linear_maximiser_is_as_good_as_a_linear_programme(norm, rows, eps, seed):
    gradient = images_like(rows)
    images = torch.rand(gradient.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).round(
        decimals=1
    )
    found = linear_maximiser(gradient, images, eps, norm)
    assert ((found >= 0) & (found <= 1)).all()
    assert (perturbation_norm(found - images, norm) <= eps + 1e-12).all()
    for g, x, value in zip(gradient.flatten(1), images.flatten(1), inner(gradient, found - images), strict=True):
        ups, downs = (1 - x).clamp(max=eps), x.clamp(max=eps)  # a move is up - down, each within its room
        scale = g.abs().max().clamp_min(1e-6)  # the solver's tolerances are absolute
        cost = torch.cat([-g, g]).div(scale).numpy()
        budget = {} if norm == "Linf" else {"A_ub": np.ones((1, 12)), "b_ub": [eps]}
        best = linprog(cost, bounds=[(0, float(r)) for r in torch.cat([ups, downs])], **budget)
        assert value / scale == pytest.approx(-best.fun, abs=1e-6)


def test_l2_maximiser_is_the_clipped_unit_step():
    gradient, images = torch.tensor([3.0, -4.0]).view(1, 1, 1, 2), torch.tensor([0.5, 0.1]).view(1, 1, 1, 2)
    found = linear_maximiser(gradient, images, 0.5, "L2")
    torch.testing.assert_close(found.flatten(), torch.tensor([0.8, 0.0]))


@pytest.mark.parametrize("norm", NORMS)
def test_random_points_fill_the_ball_evenly(norm):
    """A point uniform over the volume of a d-dimensional ball of radius eps has (size / eps)^d uniform on [0, 1]."""
    n, shape = 20000, torch.Size([1, 1, 3])
    indices = torch.arange(n)
    normals, uniforms = normal(indices, shape, seed=0, stream=1), uniform(indices, shape, seed=0, stream=0)
    points = random_point(normals, uniforms, 0.25, norm).double()
    radii = perturbation_norm(points, norm)
    assert radii.max() <= 0.25 * (1 + 1e-6)
    assert kstest((radii / 0.25) ** 3, "uniform").pvalue > 1e-3
    flat = points.flatten(1)
    assert (flat.mean(dim=0).abs() < 4 * flat.std(dim=0) / n**0.5).all()
    assert ((flat > 0).float().mean(dim=0) - 0.5).abs().max() < 4 * 0.5 / n**0.5
    if norm == "L1":  # on the sphere |x_1| / r of three coordinates has the distribution Beta(1, 2)
        assert kstest(flat[:, 0].abs() / radii, "beta", args=(1, 2)).pvalue > 1e-3
    if norm == "L2":  # Archimedes: x_1 / r is uniform on [-1, 1] on the sphere in three dimensions
        assert kstest((flat[:, 0] / radii + 1) / 2, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("norm", NORMS)
def test_the_extreme_variates_give_finite_points(norm):
    for normals, uniforms in [(0.0, 0.0), (5.8, 1 - 2**-24), (-5.8, 0.0)]:
        point = random_point(torch.full((1, 1, 1, 1), normals), torch.full((1, 1, 1, 1), uniforms), 0.5, norm)
        assert point.abs().item() <= 0.5
