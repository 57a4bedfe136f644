"""How deep sparse coding learns."""

import pytest
import torch
from torch.nn import functional as F

from sparsefront.frontends import Compose
from sparsefront.frontends.dsc import DSC, DSCLayer, DSCLearningSettings
from sparsefront.frontends.dsc.learning import DSCLearning
from tests.helpers.digits import digits
from tests.helpers.front_end_contract import fitted
from tests.helpers.small_dsc import LAYERS, SHAPE, learned, pictures, to_tolerance


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
        norms = many.network.dictionary(place).flatten(1).norm(dim=1)
        torch.testing.assert_close(norms, torch.ones_like(norms))
        assert not torch.equal(many.network.dictionary(place), few.network.dictionary(place))


def test_atoms_move_along_their_residuals():
    """One step from known atoms is the formula's, written with the codes of `infer`."""
    frontend, images = DSC(SHAPE, LAYERS, learning=DSCLearningSettings(learning_rate=0.2, tolerance=1e-3)), pictures(10)
    with torch.no_grad():
        frontend.learn_from(images)
        frontend._learner = None  # forgets its sums, not its atoms
        start = to_tolerance(1e-3)
        start.load_state_dict({**frontend.state_dict(), "learned": torch.tensor(True)})
        codes = start.infer(images)
        atoms, code = start.network.dictionary(2), codes.layers[2]
        residual = codes.layers[1].flatten(1) - code @ atoms
        moved = atoms + 0.2 * (code.T @ residual) / code.square().sum(dim=0).clamp_min(1e-30)[:, None]
        expected = torch.where(code.any(dim=0)[:, None], F.normalize(moved, dim=1), atoms)
        assert code.any()
        frontend._learner = DSCLearning(frontend.network, frontend.learning, frontend.processes)
        frontend._learner.has_atoms = True
        metrics = frontend.learn_from(images)
    torch.testing.assert_close(frontend.network.dictionary(2), expected, atol=1e-4, rtol=0)
    assert abs(metrics["energy"] - float(start.energy(images).mean())) < 1e-2 * metrics["energy"]
    assert metrics["at_rest"] == 1


def test_atoms_that_nobody_uses_are_replaced(monkeypatch):
    monkeypatch.setattr("sparsefront.frontends.dsc.learning._DEAD_AFTER", 20)
    frontend, images = DSC(SHAPE, LAYERS[2:]), pictures(20)
    with torch.no_grad():
        frontend.learn_from(images)
        for tensors in (frontend.network.dictionary(0), frontend._learner.gradients[0], frontend._learner.usage[0]):
            tensors[3] = 0  # is never active
        metrics = frontend.learn_from(images)
    assert metrics["replaced"] >= 1
    assert frontend.network.dictionary(0)[3].norm() > 0.99


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
    learning = DSCLearningSettings(n_iterations=2)
    frontend = fitted(Compose(SHAPE, [lambda shape: DSC(shape, LAYERS[1:], learning=learning)]), pictures(8))
    assert frontend(pictures(2)).shape == (2, *SHAPE)


def test_atoms_are_those_of_the_first_layer_as_pictures():
    assert torch.equal(learned().atoms(), learned().network.dictionary(0))
    assert DSC(SHAPE, LAYERS[2:]).atoms().shape == (8, *SHAPE)
