import shutil
from pathlib import Path

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer

from sparsefront.data import ImageFolder, MNIST5k
from sparsefront.data.settings import FileReading
from tests.helpers.grouped import grouped

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero"),
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec:FutureWarning"),  # Lightning 2.6 on torch 2.15
]


class Witness(LightningModule):
    """Keeps the batches that it is given, stage by stage and epoch by epoch."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = {}

    def keep(self, stage, batch):
        self.seen.setdefault((stage, self.current_epoch), []).append(batch)

    def training_step(self, batch):
        self.keep("train", batch)
        return self.weight * batch.image.mean()

    def validation_step(self, batch):
        self.keep("val", batch)

    def test_step(self, batch):
        self.keep("test", batch)

    def predict_step(self, batch):
        self.keep("predict", batch)
        return batch.label

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

    def images(self, stage, epoch=0):
        """Images of a stage in the order of their index."""
        images, _, index = (torch.cat(fields) for fields in zip(*self.seen[stage, epoch], strict=True))
        return images[index.argsort()]


def trainer(epochs=1, **settings):
    return Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=settings.pop("enable_checkpointing", False),
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )


@pytest.fixture
def data(make_tree):
    def make(**settings):
        root = make_tree({"train": {"ant": 9, "bee": 8}, "val": {"ant": 3, "bee": 3}, "test": {"ant": 3, "bee": 3}})
        return ImageFolder(root, batch_size=6, **grouped(settings, reading=FileReading))

    return make


@pytest.fixture
def fitted(data):
    def fit(epochs=1, augmenting=True, **settings):
        module, witness = data(**settings), Witness()
        module.augmenting = augmenting
        trainer(epochs).fit(witness, module)
        return module, witness

    return fit


def plain(module, part):
    source, positions = module._parts[part]
    return source.pixels(positions.sort().values) / 255


@pytest.mark.parametrize("kind", ["crop", "crop_flip", "resized_crop_flip"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_only_training_images_are_augmented_and_each_epoch_anew(fitted, kind, in_memory):
    module, witness = fitted(epochs=2, augment=kind, in_memory=in_memory)
    trainer().test(witness, module, verbose=False)
    trainer().predict(witness, module)
    first, second = witness.images("train", 0), witness.images("train", 1)
    assert not torch.equal(first, plain(module, "train"))
    assert not torch.equal(first, second)
    assert first.min() >= 0
    assert first.max() <= 1
    for stage, part in {"val": "val", "test": "test", "predict": "test"}.items():
        epoch = max(epoch for seen, epoch in witness.seen if seen == stage)
        images, _, index = (torch.cat(fields) for fields in zip(*witness.seen[stage, epoch], strict=True))
        assert torch.equal(images[index.argsort()][-6:], plain(module, part))


@pytest.mark.parametrize("kind", ["crop_flip", "resized_crop_flip"])
def test_augmenting_can_be_switched_off(fitted, kind):
    module, witness = fitted(augmenting=False, augment=kind, image_size=8)
    assert torch.equal(witness.images("train"), plain(module, "train"))


@pytest.fixture
def alike(make_tree):
    """A folder of twelve equal pictures, so that only the draws differ."""
    root = make_tree({"": {"ant": 6, "bee": 6}}, size=(20, 20))
    first, *others = sorted(Path(root).rglob("*.png"))
    for other in others:
        shutil.copy(first, other)
    return root


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("kind", ["crop_flip", "resized_crop_flip"])
def test_each_sample_batch_and_epoch_is_drawn_apart(alike, kind, in_memory):
    witness = Witness()
    module = ImageFolder(
        alike, batch_size=6, augment=kind, reading=FileReading(in_memory=in_memory), val_size=0, test_size=0
    )
    trainer(2).fit(witness, module)
    batches = [batch.image for epoch in range(2) for batch in witness.seen["train", epoch]]
    assert len({batch.numpy().tobytes() for batch in batches}) == 4
    assert all(len({image.numpy().tobytes() for image in batch}) > 3 for batch in batches)
    sets = [frozenset(image.numpy().tobytes() for image in batch) for batch in batches]
    assert len(set(sets)) == 4


def test_streamed_crops_are_not_cropped_again(fitted):
    module, witness = fitted(augment="resized_crop_flip")
    module.trainer = None
    for seen, loaded in zip(witness.seen["train", 0], module.train_dataloader(), strict=True):
        assert torch.equal(seen.image, loaded.image)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_streamed_crops_do_not_depend_on_batches_or_workers(make_tree, num_workers):
    root = make_tree({"": {"ant": 5, "bee": 6}}, size=(20, 30))

    def crops(**settings):
        module = ImageFolder(
            root,
            image_size=8,
            augment="resized_crop_flip",
            val_size=0,
            test_size=0,
            **grouped(settings, reading=FileReading),
        )
        module.setup("fit")
        images, _, index = (torch.cat(fields) for fields in zip(*module.train_dataloader(), strict=True))
        return images[index.argsort()]

    reference = crops(batch_size=11)
    assert torch.equal(reference, crops(batch_size=3, num_workers=num_workers))
    assert not torch.equal(reference, crops(seed=1))


def test_each_epoch_is_shuffled_anew_and_drops_nothing(fitted):
    _, witness = fitted(epochs=2)
    orders = [[batch.index.tolist() for batch in witness.seen["train", epoch]] for epoch in range(2)]
    assert orders[0] != orders[1]
    assert [len(batch) for batch in orders[0]] == [6, 6, 5]


def test_two_runs_see_the_same_batches_whatever_the_global_seed():
    seen = []
    for seed in range(2):
        torch.manual_seed(seed)
        witness = Witness()
        data = MNIST5k(val_size=0, test_size=4900, batch_size=30, augment="crop")
        trainer().fit(witness, data)
        seen.append(witness.seen["train", 0])
    for one, other in zip(*seen, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("settings", [{"in_memory": True, "augment": "crop_flip"}, {"augment": "resized_crop_flip"}])
@pytest.mark.filterwarnings("ignore:.*checkpoint directory")
def test_a_resumed_run_sees_the_batches_of_an_uninterrupted_one(make_tree, tmp_path, settings):
    root = make_tree({"": {"ant": 9, "bee": 8}})
    settings |= {"num_workers": 0 if settings.get("in_memory") else 1}

    def module():
        in_groups = grouped(settings, reading=FileReading)
        return ImageFolder(root, batch_size=6, image_size=8, val_size=0, test_size=0, **in_groups)

    whole, resumed = Witness(), Witness()
    trainer(2).fit(whole, module())
    stopped = trainer(1)
    stopped.fit(Witness(), module())
    stopped.save_checkpoint(tmp_path / "first.ckpt")
    trainer(2).fit(resumed, module(), ckpt_path=tmp_path / "first.ckpt")
    for one, other in zip(whole.seen["train", 1], resumed.seen["train", 1], strict=True):
        assert torch.equal(one.index, other.index)
        assert torch.equal(one.image, other.image)


def test_fit_works_without_validation_images():
    witness = Witness()
    trainer(limit_train_batches=1).fit(witness, MNIST5k(val_size=0))
    assert [stage for stage, _ in witness.seen] == ["train"]
