import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from sparsefront.attacks.parts.hyperplane import to_hyperplane
from sparsefront.attacks.parts.norms import perturbation_norm

NORMS = pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])


def problem(seed, n=5):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, 1, 2, 3, generator=generator, dtype=torch.float64)
    images = torch.where(torch.rand(images.shape, generator=generator) < 0.2, images.round(), images)
    normals = torch.randn(images.shape, generator=generator, dtype=torch.float64)
    normals = torch.where(torch.rand(images.shape, generator=generator) < 0.15, 0, normals)
    return images, normals, 1.5 * torch.randn(n, generator=generator, dtype=torch.float64)


def inner(a, b):
    return (a * b).flatten(1).sum(dim=1)


def reachable(images, normals, offsets):
    """The offset itself or, beyond the box, the farthest that is in it."""
    high = inner(normals, (normals > 0).to(images) - images)
    low = inner(normals, (normals < 0).to(images) - images)
    return torch.minimum(torch.maximum(offsets, low), high)


@NORMS
@given(seed=st.integers(0, 10000))
@settings(deadline=None, max_examples=40)
def test_moves_reach_the_hyperplane_within_the_box(norm, seed):
    images, normals, offsets = problem(seed)
    moves = to_hyperplane(images, normals, offsets, norm)
    torch.testing.assert_close(inner(normals, moves), reachable(images, normals, offsets))
    assert (images + moves >= -1e-12).all()
    assert (images + moves <= 1 + 1e-12).all()


def by_linear_programme(image, normal, offset, norm):
    """Smallest size of a move (6,) with <w, d> = b in the box."""
    box = [(-float(x), 1 - float(x)) for x in image]
    if norm == "Linf":  # variables d, t with |d_i| <= t
        rows = [[(s if i == j else 0) for j in range(6)] + [-1] for i in range(6) for s in (1, -1)]
        return linprog(
            [0] * 6 + [1], A_ub=rows, b_ub=[0] * 12, A_eq=[[*normal, 0]], b_eq=[offset], bounds=[*box, (0, None)]
        )
    if norm == "L1":  # d = p - q
        bounds = [(0, high) for _, high in box] + [(0, -low) for low, _ in box]
        return linprog([1] * 12, A_eq=[[*normal, *-normal]], b_eq=[offset], bounds=bounds)
    constraint = {"type": "eq", "fun": lambda d: d @ normal - offset, "jac": lambda d: normal}
    best = minimize(lambda d: d @ d, [0] * 6, jac=lambda d: 2 * d, bounds=box, constraints=constraint, tol=1e-14)
    best.fun = best.fun**0.5
    return best


@NORMS
@pytest.mark.parametrize("seed", range(4))
def test_moves_are_the_smallest(norm, seed):
    images, normals, offsets = problem(seed)
    offsets = 0.999 * reachable(images, normals, offsets)
    sizes = perturbation_norm(to_hyperplane(images, normals, offsets, norm), norm)
    for image, normal, offset, found in zip(images.flatten(1), normals.flatten(1), offsets, sizes, strict=True):
        best = by_linear_programme(image.numpy(), normal.numpy(), float(offset), norm)
        assert best.success
        assert found.item() == pytest.approx(best.fun, abs=1e-6)


@NORMS
def test_no_slope_or_no_way_to_go_is_no_move(norm):
    images = torch.rand(2, 1, 2, 3)
    normals = torch.stack([torch.zeros(1, 2, 3), torch.ones(1, 2, 3)])
    moves = to_hyperplane(images, normals, torch.tensor([0.5, 0.0]), norm)
    assert torch.equal(moves, torch.zeros_like(moves))


@NORMS
def test_tiny_slopes_are_followed_in_float32(norm):
    images, normals, offsets = problem(3)
    expected = to_hyperplane(images, normals, offsets, norm)
    found = to_hyperplane(images.float(), 1e-25 * normals.float(), 1e-25 * offsets.float(), norm)
    torch.testing.assert_close(found, expected.float(), atol=1e-5, rtol=1e-4)
