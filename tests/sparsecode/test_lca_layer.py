import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from sparsecode import Dense, LCALayer, NotConverged, fista, lca


def atoms(m, k, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(m, k, generator=generator, dtype=torch.float64), dim=0)


def filters():
    drawn = torch.randn(6, 2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return drawn / drawn.flatten(1).norm(dim=1)[:, None, None, None]


def drawn(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


REST = {"n_steps": 20_000, "tolerance": 1e-9}


def test_without_feedback_a_layer_is_the_lca():
    below, pull = drawn(3, 2, 8, 7), drawn(3, 6, 4, 4)
    form = {"tau": 10.0, "stride": 2, "padding": "same", "positive": True}
    expected = lca(below, filters(), 0.3, **form, **REST)
    none = LCALayer(filters(), 0.3, feedback=0.0, **form)
    torch.testing.assert_close(none(below, pull, **REST).state, expected.state)
    torch.testing.assert_close(LCALayer(filters(), 0.3, **form)(below, **REST).state, expected.state)


def test_a_step_is_the_papers_equation_6():
    dictionary, below, pull, u = atoms(8, 14), drawn(3, 8), drawn(3, 14, seed=2), drawn(3, 14, seed=3)
    a = (u - 0.3).clamp_min(0)
    residual_above = u - pull
    derivative = -u + below @ dictionary - (a @ (dictionary.T @ dictionary) - a) - residual_above
    layer = LCALayer(dictionary, 0.3, tau=50.0)
    torch.testing.assert_close(layer.step(u, below, pull).detach(), u + derivative / 50)
    torch.testing.assert_close(layer.code(u), a)
    torch.testing.assert_close(layer.reconstruct(u, layer.operator(below)).detach(), a @ dictionary.T)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(("feedback_on", "share"), [("potential", 1.7), ("code", 1.0)])
def test_with_feedback_a_layer_rests_at_the_lassos_minimum_over_its_own_and_the_layer_aboves_view(
    feedback_on, share, positive
):
    dictionary, below, pull = atoms(8, 14), drawn(3, 8), drawn(3, 14, seed=2)
    layer = LCALayer(dictionary, 0.3, tau=10.0, feedback=0.7, feedback_on=feedback_on, positive=positive)
    rested = layer(below, pull, **REST)
    both = Dense(torch.cat([dictionary, 0.7**0.5 * torch.eye(14, dtype=torch.float64)]))
    views = torch.cat([below, 0.7**0.5 * pull], dim=1)
    best = fista(views, both, share * 0.3, tolerance=1e-13, positive=positive).codes
    assert rested.converged.all()
    torch.testing.assert_close(rested.codes, best, atol=1e-6, rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([("soft", "potential"), ("soft", "code"), ("hard", "potential")]),
    st.booleans(),
    st.floats(0, 2),
    st.integers(0, 99),
)
def test_the_energy_falls_along_the_dynamics(kind, positive, feedback, seed):
    layer = LCALayer(
        atoms(8, 14, seed), 0.3, tau=200.0, threshold=kind[0], feedback_on=kind[1], positive=positive, feedback=feedback
    )
    below, pull = drawn(3, 8), drawn(3, 14, seed=2)
    u = layer.cold(below)
    with torch.no_grad():
        energy = layer.energy(u, below, pull)
        for _ in range(100):
            u = layer.step(u, below, pull)
            before, energy = energy, layer.energy(u, below, pull)
            assert (energy <= before * (1 + 1e-3) + 1e-9).all()


def test_a_hierarchy_of_layers_comes_to_rest_together():
    image = drawn(3, 2, 8, 7)
    lower = LCALayer(filters(), 0.3, stride=2, padding="same", tau=20.0)
    upper = LCALayer(atoms(96, 30), 0.3, tau=20.0)
    with torch.no_grad():
        views = lower.operator(image), upper.operator(torch.zeros(3, 96, dtype=torch.float64))
        u, v = lower.cold(image), upper.cold(torch.zeros(3, 96, dtype=torch.float64))
        for _ in range(1000):
            top_down = upper.reconstruct(v, views[1]).view_as(u)
            moved = lower.step(u, image, top_down, operator=views[0])
            v = upper.step(v, lower.code(u).flatten(1), operator=views[1])
            movement, u = (moved - u).abs().max(), moved
    assert movement < 1e-9
    assert upper.code(v).any()
    # The lower layer alone, pulled by the upper one's last reconstruction, rests where it is.
    rested = lower(image, upper.reconstruct(v, views[1]).view_as(u), start=u, n_steps=1)
    torch.testing.assert_close(rested.state, u, atol=1e-8, rtol=0)


@pytest.mark.parametrize("feedback_on", ["potential", "code"])
def test_the_implicit_gradient_reaches_below_above_and_the_dictionary(feedback_on):
    below, pull, dictionary = drawn(2, 8), drawn(2, 14, seed=2), atoms(8, 14)
    layer = LCALayer(dictionary, 0.3, tau=5.0, feedback=0.7, feedback_on=feedback_on)
    start = layer(below, pull, **REST).state

    def coded(below, pull, dictionary):
        settings = {**REST, "tolerance": 1e-10, "gradient": "implicit", "start": start}
        return torch.func.functional_call(layer, {"dictionary": dictionary}, (below, pull), settings).codes

    inputs = [tensor.requires_grad_() for tensor in (below, pull, dictionary)]
    assert torch.autograd.gradcheck(coded, inputs, fast_mode=True)


def test_steps_are_differentiable_and_the_dictionary_is_kept_with_the_module():
    layer = LCALayer(atoms(8, 14), 0.3)
    below = drawn(3, 8)
    u = layer.cold(below)
    for _ in range(50):
        u = layer.step(u, below)
    (below - layer.reconstruct(u, layer.operator(below))).square().sum().backward()
    assert layer.dictionary.grad.any()
    assert list(layer.state_dict()) == ["dictionary"]


def test_what_is_not_at_rest_is_flagged():
    with pytest.warns(NotConverged, match="The LCA layer stopped before 3 of 3"):
        assert not LCALayer(atoms(8, 14), 0.3)(drawn(3, 8), n_steps=5).converged.any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LCALayer(torch.zeros(3), 0.1), "`dictionary` must be"),
        (lambda: LCALayer(torch.eye(3), 0.1, feedback=-1.0), "`feedback` must be at least 0"),
        (lambda: LCALayer(torch.eye(3), 0.1, feedback_on="spikes"), "`feedback_on` must be one of"),
        (lambda: LCALayer(torch.eye(3), 0.1)(torch.zeros(2, 3), torch.zeros(2, 4)), "`top_down` must have"),
        (
            lambda: LCALayer(torch.eye(3), 0.1, threshold="hard", feedback_on="code").energy(
                torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, 3)
            ),
            "to have an energy",
        ),
    ],
)
def test_a_layer_that_cannot_be_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
