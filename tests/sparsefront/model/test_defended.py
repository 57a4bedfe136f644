import pytest
import pytorch_lightning as pl
import torch

from sparsefront import DefendedClassifier, learn_front_end
from sparsefront.classifiers import ConvNet
from sparsefront.data import MNIST5k
from sparsefront.data.batch import Batch
from sparsefront.frontends import TopT
from sparsefront.frontends.settings import TopTLearning
from sparsefront.training.schedules import OneCycle
from tests.helpers.precision import in_single_precision

pytestmark = pytest.mark.filterwarnings("ignore")


def top_t(image_shape, n_atoms=20):
    return TopT(image_shape, n_atoms=n_atoms, top_t=3, decoder="small", learning=TopTLearning(n_iterations=2))


def trainer(tmp_path):
    return pl.Trainer(
        max_epochs=1, limit_train_batches=2, limit_val_batches=2, accelerator="cpu", logger=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip


@in_single_precision("pictures are read in it")
def test_a_plain_trainer_is_told_to_learn_first_and_then_its_checkpoint_loads_without_pickles(tmp_path):
    model, data = DefendedClassifier(ConvNet, top_t), MNIST5k()
    with pytest.raises(RuntimeError, match="has not learned yet: call"):
        trainer(tmp_path).fit(model, data)
    main_trainer = trainer(tmp_path)
    learn_front_end(model.frontend, data, main_trainer)
    assert data.augmenting
    dictionary = model.frontend.dictionary.clone()
    main_trainer.fit(model, data)
    assert torch.equal(model.frontend.dictionary, dictionary)  # stage two leaves it alone

    main_trainer.save_checkpoint(tmp_path / "model.ckpt")
    torch.load(tmp_path / "model.ckpt", weights_only=True)
    again = DefendedClassifier.load_from_checkpoint(tmp_path / "model.ckpt", classifier=ConvNet, frontend=top_t)
    images = torch.rand(2, 1, 28, 28)
    assert torch.equal(again.eval()(images), model.eval()(images))

    taken = DefendedClassifier(ConvNet, top_t, frontend_checkpoint=str(tmp_path / "model.ckpt"))
    assert bool(taken.frontend.learned)
    with pytest.raises(ValueError, match="belongs to another front end or classifier"):
        DefendedClassifier(ConvNet, lambda s: top_t(s, 21), frontend_checkpoint=str(tmp_path / "model.ckpt"))


def test_a_checkpoint_whose_front_end_has_not_learned_is_refused(tmp_path):
    model = DefendedClassifier(ConvNet, top_t)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "early.ckpt")
    with pytest.raises(ValueError, match="must hold a learned front end"):
        DefendedClassifier(ConvNet, top_t, frontend_checkpoint=str(tmp_path / "early.ckpt"))


def test_one_cycle_rises_and_falls_in_straight_lines():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.02)
    schedule = OneCycle(optimizer, total_steps=10, peak=0.4)
    rates = []
    for _ in range(10):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    expected = [0.0, 0.005, 0.01, 0.015, 0.02, *(0.02 * left / 6 for left in (5, 4, 3, 2, 1))]
    assert rates == pytest.approx(expected)
    with pytest.raises(ValueError, match="`peak` must lie in"):
        OneCycle(optimizer, total_steps=10, peak=1.0)


def test_pixels_that_are_none_are_refused_before_the_first_step(tmp_path):
    images = 255 * torch.rand(8, 1, 28, 28)
    labels = torch.zeros(8, dtype=torch.int64)
    loader = torch.utils.data.DataLoader([*zip(images, labels, labels, strict=True)], batch_size=4, collate_fn=collate)
    with pytest.raises(ValueError, match=r"`images` must be finite pixels in \[0, 1\]"):
        trainer(tmp_path).fit(DefendedClassifier(ConvNet), loader)


def collate(samples):
    return Batch(*(torch.stack(column) for column in zip(*samples, strict=True)))


@pytest.mark.parametrize(("label", "verb"), [(7, "validate"), (-1, "fit")])
def test_labels_outside_the_classes_are_named(tmp_path, label, verb):
    images, index = torch.rand(8, 1, 28, 28), torch.arange(8)
    labels = torch.tensor([0, 0, 0, 0, 0, label, 0, 0])  # in the second batch
    loader = torch.utils.data.DataLoader([*zip(images, labels, index, strict=True)], batch_size=4, collate_fn=collate)
    with pytest.raises(ValueError, match=r"`label` must lie in \[0, 2\), the classes, found \["):
        getattr(trainer(tmp_path), verb)(DefendedClassifier(ConvNet, num_classes=2), loader)


class Undefined(torch.nn.Module):
    def __init__(self, in_chans, num_classes):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(num_classes))

    def forward(self, images):
        return images.flatten(1)[:, :1] * torch.nan + self.bias


def test_nan_is_no_class(tmp_path):
    images, labels = torch.rand(4, 1, 28, 28), torch.zeros(4, dtype=torch.int64)
    loader = torch.utils.data.DataLoader([*zip(images, labels, labels, strict=True)], batch_size=4, collate_fn=collate)
    model = DefendedClassifier(Undefined)
    (metrics,) = trainer(tmp_path).validate(model, loader, verbose=False)
    assert metrics["val/clean_acc"] == 0
    assert (model.predict_step(Batch(images, labels, labels), 0)["prediction"] == -1).all()


def test_class_weights_weigh_each_image_by_its_class(tmp_path):
    """One image of class 2 counts as four would, whatever else its batch holds."""
    logits = torch.randn(6, 3)
    labels = torch.tensor([0, 0, 1, 2, 0, 1])
    model = DefendedClassifier(ConvNet, num_classes=3, class_weights=[1.0, 2.0, 4.0])
    each = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    expected = (each * torch.tensor([1.0, 1.0, 2.0, 4.0, 1.0, 2.0])).mean()
    torch.testing.assert_close(model.loss(logits, labels), expected)
    halves = [model.loss(logits[part], labels[part]) for part in (slice(0, 3), slice(3, 6))]
    torch.testing.assert_close(sum(halves) / 2, expected)  # so accumulated batches are as good as a large one
    assert "class_weights" not in model.state_dict()
    plain = DefendedClassifier(ConvNet, num_classes=3).loss(logits, labels)
    torch.testing.assert_close(plain, torch.nn.functional.cross_entropy(logits, labels))


@pytest.mark.parametrize("weights", [[1.0, 2.0], [1.0, 0.0, 2.0], [1.0, float("nan"), 2.0]])
def test_class_weights_that_are_not_one_a_class_are_named(weights):
    with pytest.raises(ValueError, match="`class_weights` must have a positive number for each of 3 classes, found"):
        DefendedClassifier(ConvNet, num_classes=3, class_weights=weights)
