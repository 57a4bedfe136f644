"""The minimum of a hierarchy's energy, against scikit-learn's, and its derivatives, against differences."""

import dataclasses
from itertools import pairwise
from math import prod

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso

from sparsecode.hierarchy import Euler, Hierarchy, Proximal
from tests.helpers.small_hierarchies import level, matrix, minimum, overlapping, signals, stack, two_branches, unit

ANY = 2**28  # bytes


@pytest.mark.parametrize("positive", [True, False])
def test_one_layer_rests_at_scikit_learns_lasso_and_at_the_optimality_conditions(positive):
    generator = torch.Generator().manual_seed(3)
    atoms = unit(20, 16, generator=generator)
    model = Hierarchy([level(atoms, (16,), 0.2)], positive)
    y = torch.randn(4, 16, generator=generator, dtype=torch.float64)
    codes = minimum(model, [y])
    lasso = Lasso(alpha=0.2 / 16, fit_intercept=False, positive=positive, tol=1e-12, max_iter=100_000)
    expected = np.stack([lasso.fit(atoms.T.numpy(), row).coef_ for row in y.numpy()])
    np.testing.assert_allclose(codes.numpy(), expected, atol=1e-5)
    slack, active = (y - codes @ atoms) @ atoms.T, codes != 0
    assert active.any(dim=1).all()
    torch.testing.assert_close(slack[active], 0.2 * codes[active].sign(), atol=1e-6, rtol=0)
    assert (slack if positive else slack.abs()).max() < 0.2 + 1e-6
    settled, converged = Euler(model).settle(torch.zeros_like(codes), [y], 1e-7, 50_000)
    assert converged.all()
    torch.testing.assert_close(settled, codes, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "model", [stack(), stack((0.5, 2.0), positive=False), stack(feedback_on="code"), two_branches()]
)
def test_the_minimum_is_the_lassos_of_the_whole_written_out(model):
    """Every level's rows in one matrix, columns divided by what weighs their norm, by scikit-learn."""
    given = signals(model, 2)
    codes = minimum(model, given)
    places = np.split(np.arange(sum(model.sizes)), np.cumsum(model.sizes)[:-1])
    rows, targets = [], []
    for number, one in enumerate(model.levels):
        row = np.zeros((prod(one.shape), sum(model.sizes)))
        row[:, places[number]] = matrix(one.operator(), model.sizes[number]).numpy()
        if one.below:
            below = np.concatenate([places[child] for child in one.below])
            row[np.arange(len(row)), below] -= 1
        target = np.zeros((2, len(row))) if one.below else given[number].flatten(1).numpy()
        rows.append(model.weights[number] ** 0.5 * row)
        targets.append(model.weights[number] ** 0.5 * target)
    penalties = np.concatenate(
        [
            np.full(size, weight * mass * one.lmbda)
            for size, weight, mass, one in zip(model.sizes, model.weights, model.masses, model.levels, strict=True)
        ]
    )
    whole, target = np.concatenate(rows) / penalties, np.concatenate(targets, axis=1)
    lasso = Lasso(alpha=1 / len(whole), fit_intercept=False, positive=model.positive, tol=1e-13, max_iter=200_000)
    expected = np.stack([lasso.fit(whole, row).coef_ for row in target]) / penalties
    np.testing.assert_allclose(codes.numpy(), expected, atol=1e-5)
    assert all((part != 0).any() for part in model.split(codes))


@pytest.mark.filterwarnings("ignore::sparsecode.NotConverged")
def test_the_energy_falls_along_the_default_solver_and_no_code_has_less():
    model = stack()
    given, start = signals(model), torch.zeros(3, sum(model.sizes), dtype=torch.float64)
    energies = [
        model.energy(Proximal(model).minimise(start, given, 1e-12, steps)[0], given)
        for steps in (1, 10, 20, 40, 80, 160)
    ]
    assert all((after < before).all() for before, after in pairwise(energies))
    best = minimum(model, given)
    least = model.energy(best, given)
    generator = torch.Generator().manual_seed(5)
    for size in (1e-3, 1e-2, 1e-1):
        other = (best + size * torch.randn(best.shape, generator=generator, dtype=torch.float64)).clamp_min(0)
        assert (model.energy(other, given) > least).all()


def test_without_feedback_each_layer_is_the_single_layer_one_on_the_code_below():
    model = stack((0.0, 0.0))
    assert model.groups == [[0], [1], [2]]
    given = signals(model)
    below = given[0]
    for one, part in zip(model.levels, model.split(minimum(model, given, 1e-9)), strict=True):
        alone = Hierarchy([dataclasses.replace(one, below=())])
        below = below.reshape(3, *one.shape)
        expected = minimum(alone, [below], 1e-9)
        torch.testing.assert_close(part.flatten(1), expected, atol=1e-7, rtol=0)
        below = part


@pytest.mark.parametrize(
    "model", [stack(), stack((0.0, 1.0), positive=False), stack((2.0, 0.0), feedback_on="code"), two_branches()]
)
def test_the_implicit_derivative_is_that_of_finite_differences(model):
    assert model.can_be_compiled(ANY)
    given = signals(model, 2)
    own = [part for part in given if part is not None]
    start = minimum(model, given, 1e-11)
    weights = torch.rand(start.shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    wanting = [part.clone().requires_grad_() for part in own]
    codes = Proximal(model).differentiate(start, model.given(wanting), None)
    assert torch.equal(codes, start)
    gradients = torch.autograd.grad((codes * weights).sum(), wanting)
    generator = torch.Generator().manual_seed(8)
    for _ in range(2):
        moves = [torch.randn(part.shape, generator=generator, dtype=torch.float64) for part in own]
        moved = [
            model.given([part + sign * move for part, move in zip(own, moves, strict=True)]) for sign in (1e-6, -1e-6)
        ]
        above, below = (minimum(model, part, 1e-11, start) for part in moved)
        slope = ((above - below) * weights).sum() / 2e-6
        expected = sum((gradient * move).sum() for gradient, move in zip(gradients, moves, strict=True))
        torch.testing.assert_close(slope, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("make", [stack, two_branches, overlapping])
def test_the_compiled_system_is_that_of_the_products(make, positive, monkeypatch):
    model = make(betas=(1.0, 0.5), positive=positive)
    given = signals(model, 3)
    codes = minimum(model, given, 1e-9)
    codes[2] = 0
    weights = torch.rand(codes.shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)

    def gradients():
        own = [part.clone().requires_grad_() for part in given if part is not None]
        found = Proximal(model).differentiate(codes, model.given(own), None)
        return torch.autograd.grad((found * weights).sum(), own)

    compiled = gradients()
    monkeypatch.setattr(Hierarchy, "can_be_compiled", lambda *_: False)
    torch.testing.assert_close(compiled, gradients(), atol=1e-9, rtol=1e-9)
    assert all(gradient[:2].any() and not gradient[2].any() for gradient in compiled)


@pytest.mark.slow
def test_unrolled_steps_near_the_implicit_derivative():
    model = two_branches()
    given = signals(model)
    codes = minimum(model, given, 1e-10)

    def gradient(differentiate):
        x = given[0].clone().requires_grad_()
        return torch.autograd.grad(differentiate([x, *given[1:]]).square().sum(), x)[0]

    half = Euler(model, Euler(model).tau / 2)
    exact = gradient(lambda part: Proximal(model).differentiate(codes, part, None))
    for few, many, run in (
        (5, 150, lambda steps: lambda part: Proximal(model).differentiate(codes, part, steps)),
        (20, 600, lambda steps: lambda part: half.repeat(codes, part, steps)),
    ):
        near, far = ((gradient(run(steps)) - exact).norm() / exact.norm() for steps in (many, few))
        assert near < 0.02 < far
