"""Networks that are trained, left and taken up, and attacked chunk by chunk."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from benchmarks.gpu import trained, weights
from benchmarks.gpu.attacked import attacks, auto_attack, evaluate, labels_of, percent
from benchmarks.gpu.options import Options
from benchmarks.gpu.pictures import Pictures, training_pictures
from benchmarks.gpu.rates import Rates
from benchmarks.gpu.systems import systems
from sparsefront import DefendedClassifier
from sparsefront.attacks import PGD, NamedAttack, WhiteBox
from sparsefront.classifiers import ConvNet
from sparsefront.common import stopping
from sparsefront.frontends import Identity
from tests.helpers.precision import in_single_precision

pytestmark = in_single_precision("trained in bfloat16 and float32")
RATES = Rates(1e9, 1e9, 1e9, 1e9)
CPU = torch.device("cpu")


def pictures(tmp_path):
    return training_pictures(Options.parsed(["--toy", "--out", str(tmp_path)], None))


def train(name, system, folder, entry, keep=lambda: None):
    found = pictures(folder)
    few = Pictures(found.images[:32], found.labels[:32], found.source)
    trained.train(name, system, few, RATES, entry, keep, step="graph", device=CPU, folder=folder)


def weights_of(folder, name, system):
    return trained.trained_model(name, system, CPU, folder).state_dict()


@pytest.mark.parametrize("name", ["natural", "top_t"])
def test_training_that_was_stopped_goes_on_to_the_same_weights(monkeypatch, tmp_path, name):
    system = systems(toy=True)[name]
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    entry, left = {}, {}
    train(name, system, tmp_path / "whole", entry)
    assert len(entry["losses"]) == system.epochs == entry["epochs"]
    assert entry["step"] == "plain"
    assert "only a GPU captures graphs" in entry["step_refused"]
    assert entry["images_per_second"] > 0
    assert entry["flops_a_step"] > 0
    assert not (tmp_path / "whole" / weights.VELOCITIES.format(name)).exists()

    def stopped(step, *arguments):
        yield next(epochs(step, *arguments))
        with torch.no_grad():  # somewhere inside the next epoch
            step.state()[0].zero_()
        raise stopping.Stopped(15)

    epochs = trained.epochs
    monkeypatch.setattr(trained, "epochs", stopped)
    with pytest.raises(stopping.Stopped):
        train(name, system, tmp_path / "parts", left)
    assert left["losses"] == entry["losses"][:1]
    assert left["images_per_second"] > 0
    assert weights.reached(tmp_path / "parts", name) == 1
    assert not weights.is_trained(tmp_path / "parts", name)
    monkeypatch.setattr(trained, "epochs", epochs)
    train(name, system, tmp_path / "parts", left)
    assert left["losses"] == pytest.approx(entry["losses"], abs=1e-3)
    expected = weights_of(tmp_path / "whole", name, system)
    for key, tensor in weights_of(tmp_path / "parts", name, system).items():
        torch.testing.assert_close(tensor, expected[key], msg=key)


def test_losses_are_kept_with_the_weights_and_other_velocities_are_left(monkeypatch, tmp_path):
    system, entry, kept = replace(systems(toy=True)["natural"], epochs=2), {}, []

    def keep():
        kept.append((list(entry["losses"]), weights.reached(tmp_path, "natural")))

    monkeypatch.setattr(trained, "_KEPT_EVERY", 1)
    train("natural", system, tmp_path, entry, keep)
    assert [(len(losses), reached) for losses, reached in kept] == [(1, None), (2, 1)]
    expected = weights_of(tmp_path, "natural", system)
    network = system.model()
    known = {"training": '{"epoch": 1, "of": 2}'}
    weights._write(tmp_path / weights.TRAINED.format("natural"), dict(network.state_dict()), known)
    parameters = {str(place): torch.full_like(one, 9.0) for place, one in enumerate(network.parameters())}
    weights._write(tmp_path / weights.VELOCITIES.format("natural"), parameters, {"training": '{"epoch": 2, "of": 2}'})
    assert weights.reached(tmp_path, "natural") is None
    train("natural", system, tmp_path, entry)
    for key, tensor in weights_of(tmp_path, "natural", system).items():
        torch.testing.assert_close(tensor, expected[key], msg=key)


def test_weights_without_their_velocities_are_not_gone_on_from(tmp_path):
    model = torch.nn.Linear(2, 2)
    for epoch, known in ((1, 1), (2, 2), (3, 3)):
        weights.save(tmp_path, "net", model, [torch.ones(2)], epoch, 3)
        assert weights.reached(tmp_path, "net") == known
        assert weights.is_trained(tmp_path, "net") == (epoch == 3)
    weights.save(tmp_path, "net", model, [torch.ones(2)], 1, 3)
    (tmp_path / weights.VELOCITIES.format("net")).unlink()
    assert weights.reached(tmp_path, "net") is None
    assert weights.reached(tmp_path, "other") is None


def test_systems_are_those_of_the_experiment_files():
    found = systems(toy=False)
    assert [found[name].epochs for name in ("natural", "top_t")] == [70, 70]
    assert found["top_t"].model().frontend.n_atoms == 500
    assert all(system.batch == 512 for system in found.values())


def model(frontend=Identity):
    torch.manual_seed(0)
    return DefendedClassifier(ConvNet, frontend, image_shape=(3, 32, 32), num_classes=10).eval()


def attacked_pictures(network):
    """Twelve with the labels that the network gives them, but for two."""
    images = torch.randint(0, 256, (12, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    with torch.no_grad():
        labels = network(images.float() / 255).argmax(dim=1)
    labels[3:5] = (labels[3:5] + 1) % 10
    return Pictures(images, labels, "noise")


def test_an_attack_is_judged_picture_by_picture_and_goes_on_from_what_was_kept():
    network, named = model(), NamedAttack("pgd", PGD(eps="4/255", steps=3, early_stop=True))
    found, whole, parts, kept = attacked_pictures(network), {}, {}, []
    evaluate(network, named, found, whole, lambda: None, chunk=12)

    def keep():
        kept.append(dict(parts))
        if len(kept) == 1:
            raise stopping.Stopped(15)

    with pytest.raises(stopping.Stopped):
        evaluate(network, named, found, parts, keep, chunk=5)
    assert len(kept[0]["predictions"]) == 5
    evaluate(network, named, found, parts, keep, chunk=5)
    assert len(kept) == 3
    for key in ("clean", "predictions", "clean_acc", "robust_acc", "n_samples"):
        assert parts[key] == whole[key]
    assert whole["clean_acc"] == pytest.approx(100 * 10 / 12, abs=0.01)
    assert whole["robust_acc"] == percent([whole["predictions"]], labels_of(found)) < whole["clean_acc"]
    assert parts["record"]["attacked"] == whole["record"]["attacked"] == 10
    adversarial = named.attack(network, found.images.float() / 255, found.labels)
    right = found.labels == network(found.images.float() / 255).argmax(dim=1)
    fooled = network(adversarial).argmax(dim=1)
    assert [int(digit) for digit in whole["predictions"]] == torch.where(
        right, fooled, network(found.images.float() / 255).argmax(dim=1)
    ).tolist()


def test_an_attack_that_fails_is_an_error():
    network = model()
    named = NamedAttack("pgd", PGD(steps=1), WhiteBox(backward="nowhere"))
    failing = pytest.raises(RuntimeError, match="`backward` of Identity must be one of")
    with failing, pytest.warns(UserWarning, match="Attack 'pgd' failed"):
        evaluate(network, named, attacked_pictures(network), {}, lambda: None)


def test_the_worst_case_is_picture_by_picture():
    assert percent(["0123", "0120", "1123"], "0123") == 50
    assert percent(["01"], "01") == 100


def test_attacks_are_the_papers():
    listed = {named.name: named.attack for named in attacks(toy=False, front_end=True)}
    assert set(listed) == {"pgd_linf", "pgd_linf_identity", "apgd", "square", "pgd_l2", "pgd_l1"}
    for name in ("pgd_linf", "pgd_l2", "pgd_l1"):
        assert (listed[name].steps, listed[name].n_restarts) == (40, 10)
    assert {named.name for named in attacks(toy=False, front_end=False)} == set(listed) - {"pgd_linf_identity"}
    assert len(auto_attack(toy=False).attack.parts) == 4


def test_a_toy_differs_in_sizes_alone():
    for name, system in systems(toy=True).items():
        full = systems(toy=False)[name]
        assert replace(system, frontend=full.frontend, epochs=full.epochs, batch=full.batch) == full
    assert isinstance(systems(toy=True)["top_t"].frontend, partial)
