"""The published dynamics, step by step, along their energy and to rest."""

import pytest
import torch

from sparsecode import Convolution, Dense
from sparsecode.hierarchy import Euler
from sparsecode.lca_dynamics import LCADynamics
from tests.helpers.small_hierarchies import minimum, signals, stack, two_branches

MODELS = [
    stack(),
    stack((0.5, 2.0), positive=False, feedback_on="code"),
    stack((0.0, 1.0)),
    two_branches(),
    two_branches((0.0, 1.0)),
]


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
