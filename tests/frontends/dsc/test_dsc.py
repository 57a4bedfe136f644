"""DSC: what it rebuilds, its two modalities, how it is differentiated, how it learns. Pictures: blobs, stripes."""

import re
from functools import cache
from typing import NamedTuple

import pytest
import torch
from torch.nn import functional as F

from sparsecode import NotConverged
from sparsecode.hierarchy.joint_operator import JointOperator
from sparsefront.frontends import DSC, Compose
from sparsefront.frontends.dsc.layer import DSCLayer
from sparsefront.frontends.dsc.learning import DSCLearning
from tests.helpers.digits import digits
from tests.helpers.front_end_contract import fitted

SHAPE, SECOND = (3, 9, 8), (1, 4, 10)
LAYERS = (DSCLayer(12, 4, 2, 0.3), DSCLayer(7, 3, 2, 0.1), DSCLayer(8, lmbda=0.05))
NAMES = (DSCLayer(6, 4, 2, 0.3, 0.5),)


def pictures(n, seed=0, shape=SHAPE):
    """Coloured blobs and stripes, away from 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(n, 6, 1, 1, 1, generator=generator)
    y, x = torch.meshgrid(torch.linspace(0, 1, shape[1]), torch.linspace(0, 1, shape[2]), indexing="ij")
    blobs = torch.exp(-10 * ((x - drawn[:, 0]) ** 2 + (y - drawn[:, 1]) ** 2))
    stripes = torch.sin(9 * (x * (3 * drawn[:, 2]).cos() + y * (3 * drawn[:, 2]).sin()) + 6 * drawn[:, 3])
    colours = torch.rand(n, shape[0], 1, 1, generator=generator)
    noise = 0.01 * torch.randn(n, *shape, generator=generator)
    return (0.4 + 0.35 * colours * blobs + 0.1 * (1 - colours) * stripes + noise).clamp(0.02, 0.98)


class Pairs(NamedTuple):
    image: torch.Tensor
    label: torch.Tensor
    second: torch.Tensor


@cache
def learned(**settings):
    """One that has learned, shared by tests, which must not change it."""
    return fitted(DSC(SHAPE, LAYERS, n_iterations=3, tolerance=0.1, **settings), pictures(24, seed=1))


def like(**settings):
    """One of other settings with what `learned()` learned."""
    frontend = DSC(SHAPE, **{"layers": LAYERS, "tolerance": 0.1, **settings})
    frontend.load_state_dict(learned().state_dict())
    return frontend.eval()


@cache
def bimodal():
    frontend = DSC(SHAPE, LAYERS, SECOND, NAMES, tolerance=0.1)
    with torch.no_grad():
        for _ in range(3):
            frontend.learn_from_batch(Pairs(pictures(20, seed=2), torch.zeros(20), pictures(20, seed=3, shape=SECOND)))
    frontend.learned.fill_(True)
    return frontend.eval()


def bimodal_like(**settings):
    frontend = DSC(SHAPE, LAYERS, SECOND, NAMES, tolerance=0.1, **settings)
    frontend.load_state_dict(bimodal().state_dict())
    return frontend.eval()


# what is rebuilt


@pytest.mark.parametrize("normalise", ["deviation", "mean", "none"])
def test_is_the_first_layers_code_laid_out_in_its_atoms_at_the_images_scale(normalise):
    """By loops over the codes' entries."""
    frontend, images = like(normalise=normalise), pictures(2)
    codes = frontend.infer(images)
    assert codes.converged.all()
    (top, left), atoms = frontend.plans[0].padding, frontend.dictionary(0)
    rebuilt = torch.zeros(2, 3, 9 + 2 * top, 8 + 2 * left)
    for image, k, row, column in codes.layers[0].nonzero().tolist():
        rows, columns = slice(2 * row, 2 * row + 4), slice(2 * column, 2 * column + 4)
        rebuilt[image, :, rows, columns] += codes.layers[0][image, k, row, column] * atoms[k]
    rebuilt = rebuilt[:, :, top : top + 9, left : left + 8]
    mean, deviation = images.mean(dim=(1, 2, 3)), images.flatten(1).std(dim=1, correction=0)
    if normalise != "none":
        rebuilt = (rebuilt * deviation.view(-1, 1, 1, 1) if normalise == "deviation" else rebuilt) + mean.view(
            -1, 1, 1, 1
        )
    torch.testing.assert_close(frontend(images), rebuilt.clamp(0, 1), atol=1e-5, rtol=0)


def test_the_output_can_be_the_code_that_a_read_out_sees():
    frontend, images = like(output="code"), pictures(3)
    out = frontend(images)
    assert (out.shape, frontend.out_channels, frontend.returns_images) == ((3, 8, 1, 1), 8, False)
    assert out.any()
    assert torch.equal(out.flatten(1), frontend.encode(images))
    assert torch.equal(out[..., 0, 0], like().infer(images).layers[-1])
    assert "identity" not in frontend.backward_modes()


@pytest.mark.parametrize("output", ["reconstruction", "code"])
@pytest.mark.parametrize("make", [lambda **settings: like(**settings), lambda **settings: bimodal_like(**settings)])
def test_images_are_rebuilt_alike_whatever_the_output(make, output):
    images = torch.cat([pictures(3), (pictures(2, seed=5) > 0.5).float()])  # some rebuilt beyond 0 and 1
    rebuilt = make(output=output).reconstruct(images)
    torch.testing.assert_close(rebuilt, make(output="reconstruction")(images), atol=1e-6, rtol=0)
    assert rebuilt.min() == 0
    assert rebuilt.max() == 1


def test_images_of_another_scale_have_the_same_code():
    images = pictures(3)
    frontend = like(tolerance=1e-4)
    expected = frontend.encode(images)
    torch.testing.assert_close(frontend.encode(0.3 * images + 0.2), expected, atol=1e-3, rtol=0)
    flat = frontend.infer(torch.full((2, *SHAPE), 0.5))
    assert not any(code.any() for code in flat.layers)


def test_both_solvers_rebuild_the_same_and_say_who_did_not_come_to_rest():
    images = torch.cat([pictures(2), torch.full((1, *SHAPE), 0.5)])
    slow, fast = like(solver="euler"), like()
    torch.testing.assert_close(slow(images), fast(images), atol=1e-2, rtol=0)
    for frontend in (like(solver="euler", max_steps=10), like(max_steps=10)):
        with pytest.warns(NotConverged, match="DSC stopped before 2 of 3 signals"):
            codes = frontend.infer(images)
        assert codes.converged.tolist() == [False, False, True]


def test_codes_obey_tolerance_and_energy_is_no_higher_with_a_finer_one():
    images = pictures(4)
    for tolerance in (0.3, 0.01):
        frontend = like(tolerance=tolerance)
        model, codes, _ = frontend._infer(images, None)
        parts, given = model.split(codes), model.given(frontend.signals(images, None))
        assert model.unrest(parts, model.drive(parts, given)).max() <= 1.01 * tolerance
    assert (frontend.energy(images) <= like(tolerance=0.3).energy(images)).all()


def test_splitting_a_batch_to_bound_memory_changes_nothing(monkeypatch):
    frontend, images = like(tolerance=1e-3), pictures(2).requires_grad_()
    modes = {"implicit": {}, "unrolled": {"steps": 5}, "identity": {}}
    maps = {name: frontend.stand_in(name, **settings) for name, settings in modes.items()}
    before = {name: torch.autograd.grad(run(images).square().sum(), images)[0] for name, run in maps.items()}
    value, codes = frontend(images).detach(), frontend.encode(images)
    monkeypatch.setattr("sparsefront.frontends.dsc.solver._MAX_BYTES", 1)
    torch.testing.assert_close(frontend(images).detach(), value, atol=1e-4, rtol=0)
    torch.testing.assert_close(frontend.encode(images), codes, atol=1e-3, rtol=0)
    for name, run in maps.items():
        gradient = torch.autograd.grad(run(images).square().sum(), images)[0]
        torch.testing.assert_close(gradient, before[name], atol=1e-3, rtol=1e-3)


# two modalities


def test_modalities_share_the_top_layer_and_either_may_be_absent():
    frontend, images, names = bimodal(), pictures(3), pictures(3, shape=SECOND)
    both, image, name = frontend.infer(images, names), frontend.infer(images), frontend.infer(second=names)
    assert [code.shape[1:] for code in both.layers] == [
        plan.code_shape for plan in (*frontend.plans[:2], frontend.plans[-1])
    ]
    assert [code.shape[1:] for code in both.second_layers] == [frontend.plans[2].code_shape]
    assert (len(image.layers), len(image.second_layers)) == (3, 0)
    assert (len(name.layers), len(name.second_layers)) == (1, 1)
    assert {len({code.shape for code in (found.layers[-1] for found in (both, image, name))})} == {1}
    assert frontend.encode(images, names).shape == (3, 8)
    assert torch.equal(frontend.encode(images), image.layers[-1])
    assert frontend(images).shape == images.shape


def test_an_absent_modality_counts_as_if_it_had_no_layers():
    frontend = bimodal()
    alone = DSC(SHAPE, LAYERS)
    channels, rows, columns = frontend.plans[1].code_shape
    number = channels * rows * columns
    for place, whole in enumerate((frontend.dictionary(0), frontend.dictionary(1), frontend.dictionary(3)[:, :number])):
        alone.dictionary(place).copy_(whole)
    model = frontend.hierarchy()
    assert [tuple(one.atoms.shape) for one in model.levels] == [tuple(plan.atoms_shape) for plan in alone.plans]
    torch.testing.assert_close(model.levels[2].atoms, alone.dictionary(2))
    assert model.weights == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((None, None), "`images` and `second` must be as many as each other and not both be absent, found []"),
        ((pictures(2), pictures(3, shape=SECOND)), "found [2, 3]"),
        ((pictures(2, shape=(3, 8, 8)), None), "`images` must be floating point of shape (B, *(3, 9, 8))"),
        ((pictures(2), pictures(2, shape=(1, 5, 5))), "`second` must be floating point of shape (B, *(1, 4, 10))"),
        ((pictures(2) / 0, None), "`images` must be finite"),
    ],
)
def test_modalities_that_cannot_be_are_named(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        bimodal().infer(*given)


def test_a_second_modality_that_is_not_brought_or_not_planned_is_named():
    with pytest.raises(ValueError, match="`second_shape` wants batches that bring the second modality as `second`"):
        DSC(SHAPE, LAYERS, SECOND, NAMES).learn_from_batch([pictures(4)])
    with pytest.raises(ValueError, match="`second` must be left out"):
        learned().infer(pictures(2), pictures(2, shape=SECOND))


# backward modes


@pytest.mark.parametrize(("name", "settings"), [("implicit", {}), ("unrolled", {"steps": 200})])
def test_gradients_are_those_of_finite_differences(name, settings):
    frontend, images = like(tolerance=1e-9, max_steps=50_000).double(), pictures(2).double()
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
    frontend, images = like(output="code", tolerance=1e-9, max_steps=50_000).double(), pictures(2).double()

    def potentials(x):
        model, codes, _ = frontend._infer(x)
        return model.split(model.balance(codes, model.given(frontend.signals(x))))[-1]

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
    slow, fast = like(solver="euler", tolerance=0.3), like(tolerance=0.3)
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
    out = {past: learned().stand_in("implicit", past_clamp=past)(images) for past in (True, False)}
    assert torch.equal(out[True], out[False])
    clamped = (out[True] == 0) | (out[True] == 1)
    assert clamped.any()
    gradients = {past: torch.autograd.grad(value[clamped].sum(), images)[0] for past, value in out.items()}
    assert gradients[True].any()
    assert not gradients[False].any()


@pytest.mark.parametrize("name", ["implicit", "unrolled", "identity"])
def test_a_warm_start_has_the_deployed_value_up_to_tolerance_and_takes_fewer_steps(name, monkeypatch):
    steps = []
    frontend = like(tolerance=1e-2)
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


@pytest.mark.parametrize("solver", ["proximal", "euler"])
def test_memory_does_not_grow_with_the_steps_unless_they_are_unrolled(solver):
    images = pictures(2).requires_grad_()

    def kept(name, deployed, **settings):
        frontend, tensors = like(solver=solver, tolerance=deployed), []
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensors.append(tensor) or tensor, lambda x: x):
            frontend.stand_in(name, **settings)(images)
        return len(tensors)

    assert kept("implicit", 2.0) == kept("implicit", 0.7) == kept("implicit", 0.7, tolerance=0.1)
    assert kept("unrolled", 2.0, steps=5) == kept("unrolled", 0.7, steps=5) < kept("unrolled", 2.0, steps=10)


# learning


def test_learning_lowers_the_energy_and_the_residuals_of_held_out_digits():
    batches, others = digits()
    layers = [DSCLayer(16, 5, 2, 0.5), DSCLayer(12, lmbda=0.1)]
    few, many = (DSC((1, 14, 14), layers) for _ in range(2))
    with torch.no_grad():
        for frontend, steps in ((few, 1), (many, 15)):
            for step in range(steps):
                frontend.learn_from(batches[step % 2])
            frontend.learned.fill_(True)
    assert many.energy(others[:40]).mean() < 0.95 * few.energy(others[:40]).mean()
    assert (many(others[:40]) - others[:40]).square().mean() < (few(others[:40]) - others[:40]).square().mean()
    for place in range(2):
        norms = many.dictionary(place).flatten(1).norm(dim=1)
        torch.testing.assert_close(norms, torch.ones_like(norms))
        assert not torch.equal(many.dictionary(place), few.dictionary(place))


def test_atoms_move_along_their_residuals():
    """One step from known atoms is the formula's, written with the codes of `infer`."""
    frontend, images = DSC(SHAPE, LAYERS, learning_tolerance=1e-3, learning_rate=0.2), pictures(10)
    with torch.no_grad():
        frontend.learn_from(images)
        frontend._learner = None  # forgets its sums, not its atoms
        start = like(tolerance=1e-3)
        start.load_state_dict({**frontend.state_dict(), "learned": torch.tensor(True)})
        codes = start.infer(images)
        atoms, code = start.dictionary(2), codes.layers[2]
        residual = codes.layers[1].flatten(1) - code @ atoms
        moved = atoms + 0.2 * (code.T @ residual) / code.square().sum(dim=0).clamp_min(1e-30)[:, None]
        expected = torch.where(code.any(dim=0)[:, None], F.normalize(moved, dim=1), atoms)
        assert code.any()
        frontend._learner = DSCLearning(frontend)
        frontend._learner.begun = True
        metrics = frontend.learn_from(images)
    torch.testing.assert_close(frontend.dictionary(2), expected, atol=1e-4, rtol=0)
    assert abs(metrics["energy"] - float(start.energy(images).mean())) < 1e-2 * metrics["energy"]
    assert metrics["at_rest"] == 1


def test_atoms_that_nobody_uses_are_replaced(monkeypatch):
    monkeypatch.setattr("sparsefront.frontends.dsc.learning._DEAD_AFTER", 20)
    frontend, images = DSC(SHAPE, LAYERS[2:]), pictures(20)
    with torch.no_grad():
        frontend.learn_from(images)
        for tensors in (frontend.dictionary(0), frontend._learner.gradients[0], frontend._learner.usage[0]):
            tensors[3] = 0  # is never active
        metrics = frontend.learn_from(images)
    assert metrics["replaced"] >= 1
    assert frontend.dictionary(0)[3].norm() > 0.99


def test_neither_learning_nor_what_is_said_of_codes_depends_on_autocast():
    frontends, images = [DSC(SHAPE, LAYERS[1:]) for _ in range(2)], pictures(10)
    with torch.no_grad():
        frontends[0].learn_from(images)
        said = learned().energy(images[:2]), learned().reconstruct(images[:2])
        with torch.autocast("cpu", torch.bfloat16):
            frontends[1].learn_from(images)
            again = learned().energy(images[:2]), learned().reconstruct(images[:2])
    assert all(map(torch.equal, said, again))
    assert all(map(torch.equal, frontends[0].state_dict().values(), frontends[1].state_dict().values()))


def test_flat_images_teach_nothing_and_that_is_said():
    with torch.no_grad(), pytest.raises(ValueError, match="first batch must hold images that are not flat"):
        DSC(SHAPE, LAYERS).learn_from(torch.full((4, *SHAPE), 0.5))


def test_it_learns_behind_another_front_end():
    frontend = fitted(Compose(SHAPE, [lambda shape: DSC(shape, LAYERS[1:], n_iterations=2)]), pictures(8))
    assert frontend(pictures(2)).shape == (2, *SHAPE)


def test_atoms_are_those_of_the_first_layer_as_pictures():
    assert torch.equal(learned().atoms(), learned().dictionary(0))
    assert DSC(SHAPE, LAYERS[2:]).atoms().shape == (8, *SHAPE)


# settings


def test_every_pixel_is_covered_whatever_the_sizes():
    for side in range(1, 20):
        for size in range(1, 9):
            for stride in range(1, size + 1):
                (p, _), count = DSCLayer(2, size, stride).padding((side, side)), torch.zeros(side + 40)
                positions = (side + 2 * p - size) // stride + 1
                for first in range(positions):
                    count[first * stride : first * stride + size] += 1
                assert (count[p : p + side] > 0).all(), (side, size, stride)
                assert 0 <= p < size


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": []}, "`layers` must name at least one layer"),
        ({"layers": LAYERS[::-1]}, "`layers` must have no filters above a fully connected layer"),
        ({"second_shape": SECOND}, "`second_shape` and `second_layers` must be given together"),
        ({"layers": LAYERS[:2], "second_shape": SECOND, "second_layers": NAMES}, "must end in a fully connected layer"),
        ({"feedback_on": "input"}, "`feedback_on` must be one of potential, code"),
        ({"normalise": "range"}, "`normalise` must be one of deviation, mean, none"),
        ({"solver": "lasso"}, "`solver` must be one of proximal, euler"),
        ({"output": "text"}, "`output` must be one of reconstruction, code"),
        ({"tau": 10.0}, "`tau` must be left out with `solver: proximal`"),
        ({"tau": 0.0, "solver": "euler"}, "`tau` must be positive"),
        ({"tolerance": 0.0}, "`tolerance` must be positive and finite, found 0"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be positive and finite, found nan"),
        ({"max_steps": 0}, "`max_steps` must be at least 1, found 0"),
        ({"n_iterations": 1.5}, "`n_iterations` must be an integer"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        DSC(SHAPE, **{"layers": LAYERS, **settings})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_atoms": 0}, "`n_atoms` must be at least 1"),
        ({"size": 3, "stride": 4}, "`stride` must be from 1 to `size` = 3, found 4"),
        ({"stride": 2}, "`stride` must be left out without a `size`"),
        ({"lmbda": 0.0}, "`lmbda` must be positive"),
        ({"feedback": -1.0}, "`feedback` must be >= 0"),
        ({"size": 2.5}, "`size` must be an integer"),
    ],
)
def test_layers_that_cannot_be_are_named(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        DSCLayer(**{"n_atoms": 4, **settings})


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("implicit", {"tolerance": 0.0}, "`tolerance` must be positive and finite"),
        ("unrolled", {"steps": 0}, "`steps` must be at least 1"),
    ],
)
def test_settings_of_backward_modes_that_cannot_be_are_named(name, settings, message):
    with pytest.raises(ValueError, match=message):
        learned().stand_in(name, **settings)
