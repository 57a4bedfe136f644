"""Dynamics with feedback from a layer above, against paper 003's equations and the LASSO that they minimise."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from sparsecode import Dense, fista
from sparsecode.lca_dynamics import LCADynamics


def atoms(m, k, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(m, k, generator=generator, dtype=torch.float64), dim=0)


def drawn(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_step_is_the_papers_equation_6():
    dictionary, below, pull, u = atoms(8, 14), drawn(3, 8), drawn(3, 14, seed=2), drawn(3, 14, seed=3)
    a = (u - 0.3).clamp_min(0)
    residual_above = u - pull
    derivative = -u + below @ dictionary - (a @ (dictionary.T @ dictionary) - a) - residual_above
    dynamics = LCADynamics(0.3, tau=50.0, positive=True)
    torch.testing.assert_close(dynamics.step(u, below, Dense(dictionary), pull), u + derivative / 50)
    torch.testing.assert_close(dynamics.code(u), a)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(("feedback_on", "share"), [("potential", 1.7), ("code", 1.0)])
def test_with_feedback_they_rest_at_the_lassos_minimum_over_the_signals_and_the_layer_aboves_view(
    feedback_on, share, positive
):
    dictionary, below, pull = atoms(8, 14), drawn(3, 8), drawn(3, 14, seed=2)
    dynamics = LCADynamics(0.3, tau=10.0, feedback=0.7, feedback_on=feedback_on, positive=positive)
    u = torch.zeros(3, 14, dtype=torch.float64)
    for _ in range(5000):
        u = dynamics.step(u, below, Dense(dictionary), pull)
    both = Dense(torch.cat([dictionary, 0.7**0.5 * torch.eye(14, dtype=torch.float64)]))
    views = torch.cat([below, 0.7**0.5 * pull], dim=1)
    best = fista(views, both, share * 0.3, tolerance=1e-13, positive=positive).codes
    assert dynamics.force(u, below, Dense(dictionary), pull).abs().max() < 1e-9
    torch.testing.assert_close(dynamics.code(u), best, atol=1e-6, rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([("soft", "potential"), ("soft", "code"), ("hard", "potential")]),
    st.booleans(),
    st.floats(0, 2),
    st.integers(0, 99),
)
def test_the_energy_falls_along_them(kind, positive, feedback, seed):
    dynamics = LCADynamics(0.3, kind[0], 200.0, positive, feedback, kind[1])
    operator, below, pull = Dense(atoms(8, 14, seed)), drawn(3, 8), drawn(3, 14, seed=2)
    u = torch.zeros(3, 14, dtype=torch.float64)
    energy = dynamics.energy(u, below, operator, pull)
    for _ in range(100):
        u = dynamics.step(u, below, operator, pull)
        before, energy = energy, dynamics.energy(u, below, operator, pull)
        assert (energy <= before * (1 + 1e-3) + 1e-9).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LCADynamics(0.1, feedback=-1.0), "`feedback` must be at least 0"),
        (lambda: LCADynamics(0.1, feedback_on="spikes"), "`feedback_on` must be one of"),
        (
            lambda: LCADynamics(0.1, threshold="hard", feedback_on="code").energy(
                torch.zeros(2, 3), torch.zeros(2, 3), Dense(torch.eye(3)), torch.zeros(2, 3)
            ),
            "to have an energy",
        ),
    ],
)
def test_dynamics_that_cannot_be_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
