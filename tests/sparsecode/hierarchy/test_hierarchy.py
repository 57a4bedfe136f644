"""Stacked layers of competing neurons: their dynamics, their energy and its minimum, on small random dictionaries."""

import dataclasses
from itertools import pairwise
from math import prod

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso
from torch.nn import functional as F

from sparsecode import Convolution, Dense
from sparsecode.hierarchy.eigenvalue_bound import eigenvalue_bound
from sparsecode.hierarchy.euler import Euler
from sparsecode.hierarchy.hierarchy import Hierarchy
from sparsecode.hierarchy.joint_operator import JointOperator
from sparsecode.hierarchy.proximal import Proximal
from sparsecode.hierarchy.solved_layer import SolvedLayer
from sparsecode.lca_dynamics import LCADynamics

ANY = 2**28  # bytes


def matrix(operator, codes):
    """The dense matrix (signals, codes) of a linear operator, column by column."""
    shape = operator.code_shape
    return operator.synthesise(torch.eye(codes, dtype=torch.float64).view(codes, *shape)).flatten(1).T


def level(atoms, shape, lmbda, **settings):
    """A level with the exact bound."""
    found = SolvedLayer(atoms, shape, lmbda, 1.0, **settings)
    codes = prod(found.operator().code_shape)
    return dataclasses.replace(found, bound=float(torch.linalg.matrix_norm(matrix(found.operator(), codes), 2)) ** 2)


def unit(*shape, generator, positive=False):
    draw = torch.rand if positive else torch.randn
    return F.normalize(draw(*shape, generator=generator, dtype=torch.float64).flatten(1), dim=1).view(shape)


def stack(betas=(1.0, 1.0), positive=True, feedback_on="potential", lmbdas=(0.1, 0.05, 0.05)):
    """Filters on (2, 7, 5), filters on their codes, and a fully connected layer on top."""
    generator = torch.Generator().manual_seed(0)
    levels = [
        level(unit(6, 2, 3, 3, generator=generator), (2, 7, 5), lmbdas[0], feedback=betas[0], stride=2, padding=(1, 1)),
        level(
            unit(5, 6, 2, 2, generator=generator, positive=True), (6, 4, 3), lmbdas[1], below=(0,), feedback=betas[1]
        ),
        level(unit(8, 30, generator=generator, positive=True), (30,), lmbdas[2], below=(1,)),
    ]
    return Hierarchy(levels, positive, feedback_on)


def two_branches(betas=(1.0, 0.5), positive=True):
    """Filters on (1, 4, 4) and a fully connected layer on 7 numbers, below one top layer."""
    generator = torch.Generator().manual_seed(1)
    levels = [
        level(unit(3, 1, 2, 2, generator=generator), (1, 4, 4), 0.05, feedback=betas[0], stride=2),
        level(unit(5, 7, generator=generator), (7,), 0.1, feedback=betas[1]),
        level(unit(6, 17, generator=generator, positive=True), (17,), 0.05, below=(0, 1)),
    ]
    return Hierarchy(levels, positive)


def signals(model, number=3, seed=2):
    generator = torch.Generator().manual_seed(seed)
    shapes = [one.shape for one in model.levels if not one.below]
    return model.given([torch.rand(number, *shape, generator=generator, dtype=torch.float64) for shape in shapes])


def minimum(model, given, tolerance=1e-7, start=None):
    number = len(next(part for part in given if part is not None))
    start = torch.zeros(number, sum(model.sizes), dtype=torch.float64) if start is None else start
    codes, converged = Proximal(model).minimise(start, given, tolerance, 50_000)
    assert converged.all()
    return codes


# one layer


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


# the hierarchy


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


def test_weights_follow_from_the_feedback_and_the_lowest_layer_weighs_one():
    assert stack((0.5, 3.0)).weights == [1.0, 0.5, 1.5]
    assert stack((0.5, 3.0)).masses == [1.5, 4.0, 1.0]
    assert stack((0.5, 3.0), feedback_on="code").masses == [1.0, 1.0, 1.0]
    assert two_branches((1.0, 0.5)).weights == [1.0, 2.0, 1.0]  # both times beta are the top's


@pytest.mark.parametrize("feedback_on", ["potential", "code"])
@pytest.mark.parametrize("betas", [(1.0, 1.0), (0.3, 2.0), (0.0, 1.0)])
def test_a_step_is_that_of_each_layer_with_what_lies_below_and_above_it(betas, feedback_on):
    """The engine's dynamics, which know nothing of a hierarchy."""
    model = stack(betas, feedback_on=feedback_on)
    given = signals(model)
    u = torch.randn(3, sum(model.sizes), generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    moved = model.split(Euler(model, 20.0).step(u, given))
    potentials, parts = model.split(u), model.split(model.threshold(u))
    below = [given[0], parts[0], parts[1].flatten(1)]
    above = [model.operators[1].synthesise(parts[1]), model.operators[2].synthesise(parts[2]).view(3, 5, 3, 2), None]
    for number, one in enumerate(model.levels):
        dynamics = LCADynamics(one.lmbda, tau=20.0, positive=True, feedback=one.feedback, feedback_on=feedback_on)
        operator = (
            Dense(one.atoms.T)
            if one.atoms.ndim == 2
            else Convolution(one.atoms, tuple(below[number].shape[2:]), one.stride, one.padding)
        )
        expected = dynamics.step(potentials[number], below[number], operator, above[number])
        torch.testing.assert_close(moved[number], expected)


@pytest.mark.parametrize("feedback_on", ["potential", "code"])
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("betas", [(1.0, 1.0), (0.3, 2.0)])
def test_the_energy_falls_along_the_dynamics(betas, positive, feedback_on):
    model = stack(betas, positive, feedback_on)
    given = signals(model)
    dynamics, u = Euler(model, 10 * Euler(model).tau), torch.zeros(3, sum(model.sizes), dtype=torch.float64)
    energy = model.energy(model.threshold(u), given)
    first = energy
    for _ in range(200):
        u = dynamics.step(u, given)
        before, energy = energy, model.energy(model.threshold(u), given)
        assert (energy <= before * (1 + 1e-4)).all()  # a step of finite length may turn a neuron on a little late
    assert (energy < 0.95 * first).all()


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


MODELS = [
    stack(),
    stack((0.5, 2.0), positive=False, feedback_on="code"),
    stack((0.0, 1.0)),
    two_branches(),
    two_branches((0.0, 1.0)),
]


@pytest.mark.parametrize("model", MODELS)
def test_dynamics_and_default_solver_come_to_rest_at_the_same_codes(model):
    given = signals(model, 2)
    codes = minimum(model, given, 1e-5)
    half = Euler(model, Euler(model).tau / 2)
    settled, converged = half.settle(torch.zeros_like(codes), given, 1e-5, 50_000)
    assert converged.all()
    torch.testing.assert_close(settled, codes, atol=1e-4, rtol=0)
    # Both say how far they are from it in one measure.
    parts = model.split(codes)
    assert (model.unrest(parts, model.drive(parts, given)) <= 1.01e-5).all()


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


def test_feedback_pulls_codes_towards_the_reconstruction_from_above():
    """Of two atoms that explain a signal equally well, feedback chooses the one that the layer above knows."""
    lower = level(torch.eye(2, dtype=torch.float64)[[0, 0, 1]], (2,), 0.1)
    upper = level(torch.tensor([[0.0, 0.6, 0.8]], dtype=torch.float64), (3,), 0.01, below=(0,))
    given = [torch.tensor([[1.0, 1.0]], dtype=torch.float64), None]
    alone = minimum(Hierarchy([lower]), given[:1])
    assert abs(alone[0, 0] - alone[0, 1]) < 1e-6
    pulled = minimum(Hierarchy([dataclasses.replace(lower, feedback=1.0), upper]), given)
    assert pulled[0, 1] > pulled[0, 0] + 0.1


# its parts


@pytest.mark.parametrize("model", [stack((0.5, 2.0)), two_branches()])
def test_the_joint_operators_adjoint_and_bound_are_those_of_its_matrix(model):
    operator = JointOperator.of(model, *model.groups, scales=[0.5, 2.0, 3.0])
    dense = operator.synthesise(torch.eye(sum(model.sizes), dtype=torch.float64)).T
    assert dense.shape == (*operator.signal_shape, *operator.code_shape)
    torch.testing.assert_close(operator.analyse(torch.eye(len(dense), dtype=torch.float64)), dense)
    largest = float(torch.linalg.matrix_norm(dense, 2)) ** 2
    assert largest <= operator.lipschitz() * (1 + 1e-9) < 2 * largest
    zeros = torch.zeros(1, sum(model.sizes), dtype=torch.float32)
    assert operator.to(torch.float32).synthesise(zeros).dtype == torch.float32


@pytest.mark.parametrize(("channels", "size", "stride"), [(2, 3, 1), (20, 4, 2), (9, 5, 3), (70, 2, 2)])
@pytest.mark.parametrize("positive", [True, False])
def test_the_bound_of_a_level_is_close_above_its_largest_eigenvalue(channels, size, stride, positive):
    atoms = unit(4, channels, size, size, generator=torch.Generator().manual_seed(6), positive=positive)
    shape, padding = (channels, 9, 8), (size - 1, size // 2)
    operator = SolvedLayer(atoms, shape, 0.1, 1.0, stride=stride, padding=padding).operator()
    largest = float(torch.linalg.matrix_norm(matrix(operator, prod(operator.code_shape)), 2)) ** 2
    found = eigenvalue_bound(atoms, shape, stride, padding)
    assert largest <= found < (1.6 if positive else 8) * largest


def test_the_bound_holds_where_an_atom_overlaps_none_of_many_that_overlap_each_other():
    atoms = torch.zeros(64, 70, 2, 2)
    atoms[0, 69], atoms[1:, :69] = 0.5, 0.5 / 69**0.5
    operator = SolvedLayer(atoms, (70, 3, 3), 0.1, 1.0).operator()
    codes = torch.eye(64 * 4).view(-1, 64, 2, 2)
    largest = float(torch.linalg.matrix_norm(operator.synthesise(codes).flatten(1), 2)) ** 2
    assert largest <= eigenvalue_bound(atoms, (70, 3, 3), 1, (0, 0)) < 2 * largest


@pytest.mark.slow
def test_the_time_constant_is_stable_and_half_of_it_about_the_shortest():
    model = stack((0.5, 2.0), positive=False, lmbdas=(1e-4, 1e-4, 1e-4))  # everything is active
    given = signals(model)
    tau, u = Euler(model).tau, torch.zeros(3, sum(model.sizes), dtype=torch.float64)
    for share, stays in ((1.0, True), (0.55, True), (0.2, False)):
        moved = u
        for _ in range(300):
            moved = Euler(model, share * tau).step(moved, given)
        assert (moved.abs().max() < 10) == stays


@pytest.mark.parametrize("run", ["settle", "minimise"])
def test_a_signals_code_depends_neither_on_its_mates_nor_on_memory(run):
    model = stack()
    given = signals(model, 4)
    given[0][0] *= 0.01  # rests long before the others

    def code(rows, max_bytes=ANY):
        part, start = model.given([given[0][rows]]), torch.zeros(len(rows), sum(model.sizes), dtype=torch.float64)
        if run == "settle":
            return Euler(model).settle(start, part, 1e-2, 20_000)[0]
        return Proximal(model, max_bytes).minimise(start, part, 1e-3, 20_000)[0]

    together = code([0, 1, 2, 3])
    torch.testing.assert_close(together, torch.cat([code([row]) for row in range(4)]), atol=1e-12, rtol=0)
    torch.testing.assert_close(together, code([0, 1, 2, 3], 1), atol=1e-12, rtol=0)


# derivatives


@pytest.mark.parametrize(
    "model", [stack(), stack((0.0, 1.0), positive=False), stack((2.0, 0.0), feedback_on="code"), two_branches()]
)
def test_the_implicit_derivative_is_that_of_finite_differences(model):
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
