"""DSC: what it rebuilds, and the codes that it returns."""

import copy
import pickle

import pytest
import torch

from sparsecode import NotConverged
from sparsecode.hierarchy import CoordinateDescent
from sparsefront.frontends.dsc import DSCSolver
from tests.helpers.small_dsc import SHAPE, bimodal_like, like, pictures, to_tolerance


@pytest.mark.parametrize("normalise", ["deviation", "mean", "none"])
def test_is_the_first_layers_code_laid_out_in_its_atoms_at_the_images_scale(normalise):
    """By loops over the codes' entries."""
    frontend, images = like(normalise=normalise), pictures(2)
    codes = frontend.infer(images)
    assert codes.converged.all()
    (top, left), atoms = frontend.network.plans[0].padding, frontend.network.dictionary(0)
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
    frontend = to_tolerance(1e-4)
    expected = frontend.encode(images)
    torch.testing.assert_close(frontend.encode(0.3 * images + 0.2), expected, atol=1e-3, rtol=0)
    flat = frontend.infer(torch.full((2, *SHAPE), 0.5))
    assert not any(code.any() for code in flat.layers)


def test_both_solvers_rebuild_the_same_and_say_who_did_not_come_to_rest():
    images = torch.cat([pictures(2), torch.full((1, *SHAPE), 0.5)])
    slow, fast = like(DSCSolver("euler", 0.1)), like()
    torch.testing.assert_close(slow(images), fast(images), atol=1e-2, rtol=0)
    for frontend in (like(DSCSolver("euler", 0.1, 10)), like(DSCSolver("proximal", 0.1, 10))):
        with pytest.warns(NotConverged, match="DSC stopped before 2 of 3 signals"):
            codes = frontend.infer(images)
        assert codes.converged.tolist() == [False, False, True]


def test_codes_obey_tolerance_and_energy_is_no_higher_with_a_finer_one():
    images = pictures(4)
    for tolerance in (0.3, 0.01):
        frontend = to_tolerance(tolerance)
        model, codes, _ = frontend.network.solve(images)
        parts, given = model.split(codes), model.given(frontend.network.signals(images, None))
        assert model.unrest(parts, model.drive(parts, given)).max() <= 1.01 * tolerance
    assert (frontend.energy(images) <= to_tolerance(0.3).energy(images)).all()


def test_splitting_a_batch_to_bound_memory_changes_nothing(monkeypatch):
    frontend, images = to_tolerance(1e-3), pictures(2).requires_grad_()
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


def test_layers_are_built_again_where_a_dictionary_has_changed():
    network = like().network
    before = network.hierarchy()
    assert network.hierarchy() is before
    assert network.hierarchy(dtype=torch.float64) is not before
    copied, sent = copy.deepcopy(network), pickle.loads(pickle.dumps(network))
    assert copied._built is sent._built is None
    with torch.no_grad():
        network.dictionary(1).add_(0.1)
    after = network.hierarchy()
    assert not torch.equal(after.levels[1].atoms, before.levels[1].atoms)
    for other in (copied, sent):
        assert torch.equal(other.hierarchy().levels[1].atoms, before.levels[1].atoms)
    for assign in (False, True):
        network.load_state_dict(sent.state_dict(), assign=assign)
        assert torch.equal(network.hierarchy().levels[1].atoms, before.levels[1].atoms)
        network.load_state_dict({name: 0.9 * tensor for name, tensor in copied.state_dict().items()}, assign=assign)
        assert network.hierarchy().levels[1].bound < before.levels[1].bound
    bound = network.hierarchy().levels[1].bound
    network.bounds[1] = 100
    assert network.hierarchy().levels[1].bound > bound


def test_what_was_coded_in_inference_mode_is_differentiated_afterwards():
    """As `Trainer.test` does, and an attack after it."""
    frontend, images = like(), pictures(2)
    with torch.inference_mode():
        expected = frontend(images)
    for name, settings in (("implicit", {}), ("unrolled", {"steps": 2})):
        x = images.clone().requires_grad_()
        value = frontend.stand_in(name, **settings)(x)
        assert torch.equal(value, expected)
        assert torch.autograd.grad(value.sum(), x)[0].isfinite().all()


def test_tables_that_would_not_fit_are_not_made(monkeypatch):
    images, expected = pictures(2), like()(pictures(2))
    monkeypatch.setattr("sparsefront.frontends.dsc.solver._MAX_TABLES", 1)
    monkeypatch.setattr(CoordinateDescent, "minimise", None)
    torch.testing.assert_close(like()(images), expected, atol=1e-2, rtol=0)


def test_images_are_coded_alike_by_dictionaries_made_in_inference_mode():
    images = pictures(2)
    expected = like()(images)
    with torch.inference_mode():
        frontend = like()
        assert torch.equal(frontend(images), expected)
