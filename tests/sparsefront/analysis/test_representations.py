import json
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from sparsefront.analysis import Representations, class_moments, representation_distance
from sparsefront.attacks import BIM, FGSM, Attack, GaussianBlurControl, GrayBox, NamedAttack, NoiseControl, Transfer
from sparsefront.results.representation_record import RepresentationRecord
from tests.helpers.small_images import SHAPE, Kinds, defended, evaluated

pytestmark = pytest.mark.filterwarnings("ignore")

FGSM1 = NamedAttack("adversarial", FGSM(eps=0.1), GrayBox())
NOISE = NamedAttack("noise", NoiseControl(FGSM(eps=0.1), match="moments"), GrayBox())
LOW = NamedAttack("low_pass", GaussianBlurControl())


def record_of(trainer, stage="test"):
    return RepresentationRecord.read(Path(trainer.log_dir) / "results", stage)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    torch.manual_seed(0)
    model = defended()
    return model, evaluated(tmp_path_factory.mktemp("run"), Representations([FGSM1, NOISE, LOW], n_training=9), model)


def test_every_sample_right_or_wrong_is_made_into_every_variant(run):
    model, trainer = run
    record, data = record_of(trainer), Kinds()
    data.setup("test")
    split = next(iter(data.test_dataloader())).index.new_tensor(sorted(data._parts["test"].positions.tolist()))
    images, labels = data.images[split].float() / 255, split % 3
    assert record.arrays["index"].tolist() == split.tolist()
    assert not (model(images).argmax(1) == labels).all()
    variants = {"original": images}
    for named in (FGSM1, NOISE, LOW):
        variants[named.name] = named.attack(model, images, labels, split).clamp(0, 1)
    for name, made in variants.items():
        np.testing.assert_allclose(record.hidden(name), made.flatten(1), atol=1e-5)  # pixels are what Linear reads
        right = (model(made).argmax(1) == labels).double().mean().item()
        assert record.accuracy(name).value == pytest.approx(right)
        assert trainer.callback_metrics[f"test/variant_acc/{name}"].item() == pytest.approx(right)
    for name in ("adversarial", "noise", "low_pass"):
        distance = representation_distance(images.flatten(1), variants[name].flatten(1))
        assert record.provenance["distance"][name] == pytest.approx(distance, rel=1e-4)
        assert trainer.callback_metrics[f"test/representation_distance/{name}"].item() == pytest.approx(distance, 1e-4)


def test_the_neuron_shown_is_the_strongest_indicator_and_selectivity_is_that_of_training_images(run):
    model, trainer = run
    record, data = record_of(trainer), Kinds()
    weight = model.classifier.linear.weight
    assert record.neuron == (weight[1] - (weight[0] + weight[2]) / 2).argmax()
    train = data._parts["train"].positions
    for k in range(3):
        pixels = data.images[train[train % 3 == k][:9]].flatten(1).numpy() / 255
        np.testing.assert_allclose(record.arrays["training/mean"][k], pixels.mean(0), atol=1e-5)
        np.testing.assert_allclose(record.arrays["training/deviation"][k], pixels.std(0), atol=1e-5)
    mean, deviation = record.training_moments(record.groups[1])
    others = np.concatenate([data.images[train[train % 3 == k][:9]].flatten(1).numpy() / 255 for k in (0, 2)])
    np.testing.assert_allclose(mean, others.mean(0), atol=1e-5)
    np.testing.assert_allclose(deviation, others.std(0), atol=1e-5)


def test_the_representative_image_is_nearest_to_its_groups_mean(run):
    record = record_of(run[1])
    for group in record.groups:
        members = np.flatnonzero(group.members)
        hidden = record.hidden("original")[members]
        far = [np.linalg.norm(row - hidden.mean(0)) for row in hidden]
        assert record.representative(group) == members[int(np.argmin(far))]


def test_pictures_are_of_the_positive_class_and_of_others_by_turns(run):
    pictures = record_of(run[1]).pictures
    assert (pictures["label"] == 1).tolist()[0]
    assert len(pictures["label"]) == 4
    assert {"clean", "adv/adversarial", "through/low_pass", "pred/noise", "clean_pred"} <= pictures.keys()


def test_few_training_images_are_all_taken_and_batches_do_not_matter():
    model = defended().eval()
    few, many = (class_moments(model, Kinds(batch_size=size), 50) for size in (2, 40))
    assert few.images.tolist() == [14, 14, 14]
    assert torch.allclose(few.deviation, many.deviation, atol=1e-9)


class Counting(FGSM):
    calls = 0

    def perturb(self, model, images, labels, indices):
        type(self).calls += 1
        return super().perturb(model, images, labels, indices)


def test_noise_of_an_earlier_variant_does_not_make_its_images_again(tmp_path):
    Counting.calls = 0
    attack = Counting(eps=0.1)
    variants = [NamedAttack("a", attack), NamedAttack("n", NoiseControl(attack, match="moments"))]
    evaluated(tmp_path, Representations(variants), data=Kinds(batch_size=18))
    assert Counting.calls == 1
    other = [NamedAttack("a", attack), NamedAttack("n", NoiseControl(attack, match="moments"), GrayBox())]
    evaluated(tmp_path, Representations(other), data=Kinds(batch_size=18))
    assert Counting.calls == 3


def test_validation_is_looked_at_and_only_as_many_samples_as_asked_for(tmp_path):
    class Validated(Kinds):
        def val_dataloader(self):
            return self.test_dataloader()

        def setup(self, stage=None):
            super().setup("test")

    trainer = evaluated(
        tmp_path, Representations([LOW], max_samples=7, n_training=0, n_images=0), verb="validate", data=Validated()
    )
    record = record_of(trainer, "val")
    assert record.provenance["n_samples"] == len(record.arrays["label"]) == 7
    assert not record.pictures
    assert record.training_moments(record.groups[0]) is None


class Drawing(Attack):
    def perturb(self, model, images, labels, indices):
        torch.rand(3)
        assert not any(module.training for module in DRAWN[0].modules())
        return images


DRAWN = []


def test_it_leaves_no_trace(tmp_path):
    model = defended()
    DRAWN[:] = [model]
    states = []
    for number, callback in enumerate([pl.Callback(), Representations([NamedAttack("d", Drawing())])]):
        torch.manual_seed(3)
        evaluated(tmp_path / str(number), callback, model)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_without_a_terminal_one_line_a_variant_is_said_at_the_end(tmp_path, capfd):
    """And no bar for every batch, whose remaining time would be that batch's."""
    callback = Representations([FGSM1, LOW], n_training=0)
    trainer = evaluated(tmp_path, callback, enable_progress_bar=True)
    said = capfd.readouterr().err
    record = record_of(trainer)
    lines = [line for line in said.splitlines() if line.startswith("test: ")]
    count = len(record.arrays["label"])
    assert lines == [f"test: {name}: {record.accuracy(name)} of {count} right" for name in record.names]
    assert "variants:" not in said


def test_two_processes_count_every_sample_once(tmp_path):
    torch.manual_seed(0)
    model = defended()
    settings = {"n_training": 9, "max_samples": 15}
    one = record_of(evaluated(tmp_path / "one", Representations([FGSM1, NOISE], **settings), model))
    evaluated(
        tmp_path / "two", Representations([FGSM1, NOISE], **settings), model, strategy="ddp_fork", devices=2,
        use_distributed_sampler=False,
    )  # fmt: skip
    (results,) = (tmp_path / "two").glob("*/results")
    two = RepresentationRecord.read(results, "test")
    assert len(one.arrays["index"]) == 15
    assert two.arrays["index"].tolist() == one.arrays["index"].tolist()
    for name in ("hidden/noise", "pred/adversarial", "training/mean", "training/deviation"):
        np.testing.assert_allclose(two.arrays[name], one.arrays[name], atol=1e-5)
    assert two.provenance["distance"] == pytest.approx(one.provenance["distance"], rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variants": [LOW, LOW]}, r"`variants` must have names of their own .* found \['low_pass'\]"),
        ({"variants": [NamedAttack("original", GaussianBlurControl())]}, r"found \['original'\]"),
        ({"variants": [], "max_samples": 0}, "`max_samples` must be at least 1, found 0"),
        ({"variants": [], "deviation": "no"}, "`deviation` must be one of over_images, over_neurons, found 'no'"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Representations(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"positive": 3}, "`positive` must be one of the 3 classes"),
        ({"variants": [NamedAttack("t", FGSM(), Transfer("nowhere.ckpt"))]}, "Variant 't': `checkpoint` of Transfer"),
        ({"neuron": 16}, "`neuron` must be one of the 16 of the last hidden layer"),
    ],
)
def test_settings_that_do_not_suit_the_model_are_refused_before_anything_is_run(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        evaluated(tmp_path, Representations(**{"variants": [NamedAttack("d", BIM())]} | settings))
    assert not list(tmp_path.rglob("*.npz"))


def test_the_file_says_what_made_the_variants(run):
    about = json.loads((Path(run[1].log_dir) / "results/test_representations.json").read_text())
    assert [entry["name"] for entry in about["variants"]] == ["adversarial", "noise", "low_pass"]
    assert about["variants"][1]["attack"]["init_args"]["match"] == "moments"
    assert about["class_names"][0] == "<b>one</b>"
    assert (about["system"], about["n_samples"]) == ("Identity + Linear", 18)
    assert SHAPE == (1, 4, 4)
