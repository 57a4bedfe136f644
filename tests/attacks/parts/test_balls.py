import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from sparsefront.attacks.parts.balls import confine, project, random_point
from sparsefront.attacks.parts.norms import perturbation_norm
from sparsefront.attacks.parts.steps import linear_maximiser, steepest
from sparsefront.common.noise import normal, uniform
from tests.helpers.difficult_rows import images_like, inner, rows

NORMS = ["Linf", "L2", "L1"]
DUAL = {"Linf": "L1", "L2": "L2", "L1": "Linf"}


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
