"""A read-out is solved in one epoch, on what the front end makes of the training images."""

from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from sparsefront import DefendedClassifier, FrontEndCache, learn_front_end
from sparsefront.attacks import PGD, NamedAttack
from sparsefront.classifiers import LinearSVM, Logistic, NeuronThreshold
from sparsefront.cli.predictions import PredictionWriter
from sparsefront.data import ImageData
from sparsefront.data.splits.sources import ArrayImages
from sparsefront.evaluation import RobustEvaluation
from sparsefront.evaluation.kept_pictures import KeptPictures
from sparsefront.frontends import DSC, FrontEnd, Identity, TopT
from sparsefront.frontends.dsc import DSCLayer, DSCLearningSettings

pytestmark = pytest.mark.filterwarnings("ignore")
SHAPE = (1, 6, 6)


class Halves(ImageData):
    """43 noisy images; those of class 1, a third, are brighter below. 35 train, 8 validate."""

    def __init__(self, batch_size=8, augment="none"):
        super().__init__(
            image_shape=SHAPE, class_names=("a", "b"), own_parts=("train", "test"), batch_size=batch_size,
            val_size=8, test_size=0, seed=0, num_workers=0, augment=augment,
        )  # fmt: skip
        generator = torch.Generator().manual_seed(1)
        self.labels = (torch.arange(43) % 3 == 0).long()
        images = torch.randint(0, 160, (43, *SHAPE), generator=generator)
        images[:, :, 3:] += 90 * self.labels[:, None, None, None]
        self.images = images.to(torch.uint8)

    def source(self, part):
        return ArrayImages(self.images, self.labels, self.image_shape[1:])


class Rectified(FrontEnd):
    """Codes (B, 5, 3, 3): five filters, rectified; in training mode it returns nonsense."""

    returns_images = False
    out_channels = 5

    def __init__(self, image_shape, n_copies=1):
        super().__init__(image_shape)
        self.n_copies = n_copies
        self.register_buffer("filters", torch.randn(5, 1, 2, 4, generator=torch.Generator().manual_seed(2)))

    def forward(self, images):
        codes = torch.nn.functional.conv2d(images - 0.4, self.filters, stride=2, padding=(0, 1)).relu()
        shifts = torch.arange(self.n_copies).repeat(len(images))[:, None, None, None] * 0.01
        return (codes.repeat_interleave(self.n_copies, dim=0) + shifts) * (0 if self.training else 1)


def trainer(tmp_path, epochs=1, callbacks=(), **settings):
    return pl.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=tmp_path, callbacks=list(callbacks), **{"enable_checkpointing": False, **settings},
    )  # fmt: skip


def defended(classifier=LinearSVM, frontend=Rectified, **settings):
    return DefendedClassifier(classifier, frontend, image_shape=SHAPE, num_classes=2, **settings)


def solved_alone(data, read_out=LinearSVM, n_copies=1):
    """The read-out of all training codes, without a trainer."""
    data.setup("fit")
    split = data.plain_training_split()
    batch = split.__getitems__(split.positions.argsort().tolist())
    found = read_out(5, 2)
    codes = Rectified(SHAPE, n_copies).eval()(batch.image).mean(dim=(2, 3))
    found.learn(codes, batch.label.repeat_interleave(n_copies))
    return found


@pytest.mark.parametrize("read_out", [LinearSVM, NeuronThreshold])
@pytest.mark.parametrize("n_copies", [1, 3])
def test_one_epoch_solves_what_the_codes_of_all_training_images_give(tmp_path, read_out, n_copies):
    model, data = defended(read_out, lambda shape: Rectified(shape, n_copies)), Halves()
    run = trainer(tmp_path)
    run.fit(model, data)
    expected = solved_alone(Halves(), read_out, n_copies)
    torch.testing.assert_close(model.classifier.linear.weight, expected.linear.weight, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model.classifier.linear.bias, expected.linear.bias, atol=1e-5, rtol=1e-4)
    metrics = {name: value.item() for name, value in run.callback_metrics.items()}
    assert 0 < metrics["val/clean_acc"] <= 1
    images, labels = data.plain_training_split().__getitems__(list(range(35)))[:2]
    right = (model.eval()(images).argmax(dim=1) == labels).float().mean()
    assert metrics["train/acc"] == pytest.approx(right.item())


def test_training_ends_after_one_epoch_and_its_checkpoint_is_kept_and_resumed(tmp_path, capsys):
    class Counting(LinearSVM):
        times = 0

        def solve(self, codes, labels):
            Counting.times += 1
            return super().solve(codes, labels)

    keep = ModelCheckpoint(tmp_path, save_last=True)
    run = trainer(tmp_path, epochs=10, callbacks=[keep], enable_checkpointing=True, check_val_every_n_epoch=1)
    model = defended(Counting)
    run.fit(model, Halves())
    assert run.current_epoch == 1
    assert Counting.times == 1
    assert "Counting is solved on the codes of one epoch" in capsys.readouterr().out

    again = defended(Counting)
    more = trainer(tmp_path, epochs=10)
    more.fit(again, Halves(), ckpt_path=keep.last_model_path)
    assert Counting.times == 1
    assert torch.equal(again.classifier.linear.weight, model.classifier.linear.weight)
    images = torch.rand(3, *SHAPE)
    assert torch.equal(again.eval()(images), model.eval()(images))

    taken = defended(Counting, classifier_checkpoint=keep.last_model_path)  # a new fit is a new solution
    trainer(tmp_path).fit(taken, Halves())
    assert Counting.times == 2


def test_attacks_of_the_last_epoch_are_run_at_the_end_of_the_only_one(tmp_path):
    attack = RobustEvaluation(
        [NamedAttack("pgd", PGD(eps=0.1, steps=2))], every_n_epochs=10, pictures=KeptPictures(n_images=0)
    )
    run = trainer(tmp_path, epochs=10, callbacks=[attack])
    run.fit(defended(), Halves())
    assert "val/robust_acc/pgd" in run.callback_metrics


def test_codes_kept_by_the_cache_give_the_same(tmp_path):
    plain, kept = defended(), defended()
    trainer(tmp_path).fit(plain, Halves())
    trainer(tmp_path, callbacks=[FrontEndCache(str(tmp_path / "cache"))]).fit(kept, Halves())
    assert torch.equal(kept.classifier.linear.weight, plain.classifier.linear.weight)


def test_the_order_and_the_size_of_batches_do_not_matter_and_augmented_images_do(tmp_path):
    weights = []
    for data in (Halves(), Halves(batch_size=5), Halves(augment="crop_flip")):
        model = defended()
        trainer(tmp_path).fit(model, data)
        weights.append(model.classifier.linear.weight)
    torch.testing.assert_close(weights[1], weights[0])
    assert not torch.allclose(weights[2], weights[0])


class Repeated(Halves):
    """Training batches repeat the images of class 1, as rare faces are."""

    def _training_split(self):
        split = self.plain_training_split()
        rare = split.positions[self.labels[split.positions] == 1]
        split.positions = torch.cat([split.positions, rare, rare])
        return split


def test_an_image_that_is_repeated_counts_once(tmp_path):
    model = defended()
    trainer(tmp_path).fit(model, Repeated())
    torch.testing.assert_close(model.classifier.linear.weight, solved_alone(Halves()).linear.weight)


def test_validation_in_mid_epoch_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`trainer.val_check_interval` must be left out where LinearSVM .* found 2\."):
        trainer(tmp_path, val_check_interval=2).fit(defended(), Halves())


def test_two_processes_solve_what_one_solves(tmp_path):
    """35 images on two processes: the sampler repeats one, which counts once."""
    keep = ModelCheckpoint(tmp_path, save_last=True)
    run = trainer(tmp_path, callbacks=[keep], enable_checkpointing=True, devices=2, strategy="ddp_fork")
    run.fit(defended(), Halves())
    found = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]  # of another process
    expected = solved_alone(Halves())
    assert found["classifier.learned"]
    torch.testing.assert_close(found["classifier.linear.weight"], expected.linear.weight, atol=1e-5, rtol=1e-4)


class OneClass(Halves):
    def source(self, part):
        return ArrayImages(self.images, self.labels * 0, self.image_shape[1:])


@pytest.mark.parametrize("processes", [{}, {"devices": 2, "strategy": "ddp_fork"}])
def test_codes_that_cannot_be_solved_end_every_process(tmp_path, processes):
    with pytest.raises(Exception, match="`labels` must hold each of the 2 classes, found none of class 1 among 35"):
        trainer(tmp_path, **processes).fit(defended(), OneClass())


def test_a_white_box_differentiates_through_deep_sparse_codes_and_the_machine(tmp_path):
    """Against differences of the decision, on images away from where a neuron comes or goes."""

    def codes(shape):
        layers = [DSCLayer(6, 3, 1, 0.1), DSCLayer(8, lmbda=0.02)]
        return DSC(shape, layers, output="code", learning=DSCLearningSettings(n_iterations=3))

    model, data = defended(frontend=codes), Halves()
    run = trainer(tmp_path)
    learn_front_end(model.frontend, data, run)
    run.fit(model, data)
    frontend = model.eval().double().frontend
    network = frontend.network
    network.solver = replace(network.solver, tolerance=1e-7)  # or the differences are those of steps left out
    images = data.plain_training_split().__getitems__([0, 1]).image.double()
    seen = model.frontend.stand_in("implicit", tolerance=1e-7)

    def decision(pixels):
        logits = model.logits_from(seen(pixels))
        return logits[:, 1] - logits[:, 0]

    images.requires_grad_(True)
    (gradient,) = torch.autograd.grad(decision(images).sum(), images)
    assert gradient.flatten(1).any(dim=1).all()
    direction = torch.randn(SHAPE, dtype=torch.float64)
    step = 1e-4
    with torch.no_grad():
        slope = (decision(images + step * direction) - decision(images - step * direction)) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(dim=(1, 2, 3)), slope, atol=1e-4, rtol=1e-2)


@pytest.mark.parametrize("classifier", [LinearSVM, Logistic])
def test_codes_are_left_beside_the_predictions(tmp_path, classifier):
    model, data = defended(classifier, lambda shape: Rectified(shape, 2)), Halves()
    run = trainer(tmp_path, callbacks=[PredictionWriter()])
    run.fit(model, data)
    run.predict(model, data)
    with np.load(tmp_path / "codes.npz") as kept:
        images = torch.stack([torch.tensor(data.images[i] / 255) for i in kept["index"]])
        expected = model.frontend.eval()(images).mean(dim=(2, 3)).unflatten(0, (-1, 2)).mean(dim=1)
        np.testing.assert_allclose(kept["codes"], expected, atol=1e-5)
        np.testing.assert_array_equal(kept["label"], data.labels[kept["index"]])
        assert len(kept["index"]) == 43
    header, *rows = (tmp_path / "predictions.csv").read_text().splitlines()
    assert header == "index,label,prediction,probability_0,probability_1"
    assert len(rows) == 43


def test_images_leave_no_codes(tmp_path):
    run = trainer(tmp_path, callbacks=[PredictionWriter()])
    run.predict(
        defended(lambda c, k: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, k)), Identity), Halves()
    )
    assert not (tmp_path / "codes.npz").exists()


@pytest.mark.parametrize(
    ("classifier", "frontend", "message"),
    [
        (LinearSVM, Identity, "`classifier` LinearSVM reads codes, found Identity before it, which returns images"),
        (Logistic, TopT, "`classifier` Logistic reads codes, found TopT"),
    ],
)
def test_a_reader_of_codes_refuses_images(classifier, frontend, message):
    with pytest.raises(ValueError, match=message):
        DefendedClassifier(classifier, frontend)


def test_a_front_end_that_gradients_train_is_refused():
    def trainable(shape):
        frontend = Rectified(shape)
        frontend.decoder = torch.nn.Linear(2, 2)
        return frontend

    assert defended(Logistic, trainable)
    with pytest.raises(ValueError, match=r"is solved and sends no gradient, .* 2 tensors to train, decoder\.weight"):
        defended(LinearSVM, trainable)
