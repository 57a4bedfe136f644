"""How deep sparse coding is differentiated, against differences and against itself."""

import pytest
import torch

from sparsecode.hierarchy import CoordinateDescent, JointOperator
from sparsefront.frontends.dsc import DSCSolver
from tests.helpers.small_dsc import like, pictures, to_tolerance


@pytest.mark.parametrize(("name", "settings"), [("implicit", {}), ("unrolled", {"steps": 200})])
def test_gradients_are_those_of_finite_differences(name, settings):
    frontend, images = like(DSCSolver(tolerance=1e-9, max_steps=50_000)).double(), pictures(2).double()
    x = images.clone().requires_grad_()
    run = frontend.stand_in(name, tolerance=1e-9, **settings)
    (gradient,) = torch.autograd.grad(run(x).square().sum(), x)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        move = torch.randn(images.shape, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            above, below = (frontend(images + sign * 1e-6 * move).square() for sign in (1, -1))
        expected = (above - below).flatten(1).sum(dim=1) / 2e-6
        torch.testing.assert_close((gradient * move).flatten(1).sum(dim=1), expected, rtol=2e-3, atol=1e-3)


def test_silent_neurons_have_the_gradient_of_their_potential_if_asked_and_active_ones_keep_theirs():
    frontend, images = like(DSCSolver(tolerance=1e-9, max_steps=50_000), output="code").double(), pictures(2).double()

    def potentials(x):
        model, codes, _ = frontend.network.solve(x)
        return model.split(model.balance(codes, model.given(frontend.network.signals(x))))[-1]

    silent = frontend(images).flatten(1) == 0
    assert silent.any()
    assert not silent.all()
    move = torch.randn(images.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        slope = (potentials(images + 1e-6 * move) - potentials(images - 1e-6 * move)) / 2e-6
    for name, expected in (("potential", slope), ("implicit", slope.masked_fill(silent, 0))):
        weights = torch.linspace(-1, 2, silent.shape[1], dtype=torch.float64)
        x = images.clone().requires_grad_()
        value = frontend.stand_in(name, tolerance=1e-9)(x)
        assert torch.equal(value, frontend(images))
        (gradient,) = torch.autograd.grad((value.flatten(1) * weights).sum(), x)
        found = (gradient * move).flatten(1).sum(dim=1)
        torch.testing.assert_close(found, (expected * weights).sum(dim=1), rtol=2e-3, atol=1e-4)


@pytest.mark.slow
def test_the_published_dynamics_are_unrolled_where_they_are_deployed():
    slow, fast = like(DSCSolver("euler", 0.3)), to_tolerance(0.3)
    images = pictures(1).requires_grad_()
    exact, few, many = (
        torch.autograd.grad(run(images).square().sum(), images)[0]
        for run in (
            fast.stand_in("implicit"),
            *(slow.stand_in("unrolled", steps=steps, tolerance=1e-3) for steps in (3, 300)),
        )
    )
    assert (many - exact).norm() < 0.2 * (few - exact).norm()


def test_gradients_pass_the_clamp_unless_told_not_to():
    images = pictures(4).round().requires_grad_()
    fine = to_tolerance(1e-3)  # where the derivative is taken, too
    out = {past: fine.stand_in("implicit", past_clamp=past)(images) for past in (True, False)}
    assert torch.equal(out[True], out[False])
    clamped = (out[True] == 0) | (out[True] == 1)
    assert clamped.any()
    gradients = {past: torch.autograd.grad(value[clamped].sum(), images)[0] for past, value in out.items()}
    assert gradients[True].any()
    assert not gradients[False].any()


@pytest.mark.parametrize("name", ["implicit", "unrolled", "identity"])
def test_a_warm_start_has_the_deployed_value_up_to_tolerance_and_takes_fewer_steps(name, monkeypatch):
    steps = []
    frontend = like(DSCSolver("proximal", 1e-2))
    counted = JointOperator.analyse
    monkeypatch.setattr(JointOperator, "analyse", lambda self, y: steps.append(len(y)) or counted(self, y))
    images = pictures(4).requires_grad_()
    deployed = frontend(images).detach()
    warm = frontend.stand_in(name, warm=True)
    assert torch.equal(warm(images).detach(), deployed)  # the first call is cold
    moved = (images + 0.004 * torch.randn(images.shape, generator=torch.Generator().manual_seed(1)).sign()).detach()
    steps.clear()
    expected = frontend(moved)
    cold = sum(steps)
    steps.clear()
    near = warm(moved)  # without a gradient: the value alone
    assert sum(steps) < cold
    torch.testing.assert_close(near, expected, atol=1e-2, rtol=0)
    assert torch.autograd.grad(warm(moved.requires_grad_()).sum(), moved)[0].isfinite().all()
    assert torch.equal(frontend(images).detach(), deployed)


def test_coordinate_descent_starts_warm_too(monkeypatch):
    images, starts = pictures(4), []
    minimise = CoordinateDescent.minimise
    monkeypatch.setattr(
        CoordinateDescent, "minimise", lambda self, start, *rest: starts.append(start) or minimise(self, start, *rest)
    )
    frontend = to_tolerance(1e-2)
    warm = frontend.stand_in("implicit", warm=True)
    warm(images)
    warm(0.98 * images + 0.01)
    assert not starts[0].any()
    assert torch.equal(starts[1], frontend.network.solve(images).codes)


@pytest.mark.parametrize("method", ["coordinate", "proximal", "euler"])
def test_memory_does_not_grow_with_the_steps_unless_they_are_unrolled(method):
    images = pictures(2).requires_grad_()

    def kept(name, deployed, **settings):
        frontend, tensors = like(DSCSolver(method, deployed)), []
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensors.append(tensor) or tensor, lambda x: x):
            frontend.stand_in(name, **settings)(images)
        return len(tensors)

    assert kept("implicit", 2.0) == kept("implicit", 0.7) == kept("implicit", 0.7, tolerance=0.1)
    assert kept("unrolled", 2.0, steps=5) == kept("unrolled", 0.7, steps=5) < kept("unrolled", 2.0, steps=10)
