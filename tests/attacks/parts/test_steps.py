import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from sparsefront.attacks.parts.norms import perturbation_norm
from sparsefront.attacks.parts.steps import linear_maximiser, steepest
from tests.helpers.difficult_rows import images_like, inner, rows

NORMS = ["Linf", "L2", "L1"]


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
