"""No training batch holds a single image, which batch normalisation cannot take."""

from itertools import chain

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_lightning import Trainer
from torch import nn

from sparsefront import DefendedClassifier, FrontEndCache
from sparsefront.data import ImageFolder, MNIST5k, base
from sparsefront.data.loading.samplers import TrainingSampler
from sparsefront.data.loading.training_loader import TrainingLoader
from sparsefront.data.splits.sources import ArrayImages
from sparsefront.data.splits.split import Split, as_is
from tests.helpers.grouped_faces import face_data

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


class Normalised(nn.Module):
    """Batch normalisation of what is left without height and width; trains on two images or more."""

    def __init__(self, in_chans, num_classes):
        super().__init__()
        pooled = nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(in_chans), nn.Flatten()
        self.layers = nn.Sequential(*pooled, nn.Linear(in_chans, num_classes))

    def forward(self, images):
        return self.layers(images)


def loader_of(count, batch_size, rank=0, world=1):
    labels = torch.zeros(count, dtype=torch.int64)
    split = Split(ArrayImages(torch.zeros(count, 1, 2, 2, dtype=torch.uint8), labels, (2, 2)), torch.arange(count))
    sampler = TrainingSampler(split, 0, rank, world)
    return TrainingLoader(split, batch_size=batch_size, sampler=sampler, collate_fn=as_is)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 4))
@settings(deadline=None, max_examples=120)
def test_no_batch_of_any_process_holds_one_image_and_none_is_lost(count, batch_size, world):
    numbers = set()
    for rank in range(world):
        loader = loader_of(count, batch_size, rank, world)
        batches = [batch.index.tolist() for batch in loader]
        assert list(chain(*batches)) == list(loader.sampler)  # all of them, in their order
        assert len(loader) == len(batches)
        assert all(len(batch) <= batch_size + 1 for batch in batches)
        assert all(len(batch) == batch_size for batch in batches[:-1])
        assert 1 not in map(len, batches) or batch_size == 1 or len(loader.sampler) == 1
        numbers.add(len(batches))
    assert len(numbers) == 1  # or the others would wait for ever


@pytest.mark.parametrize("served", [0, 1, 2, 3])
def test_a_resumed_epoch_goes_on_with_the_joined_batch(served):
    whole = [batch.index.tolist() for batch in loader_of(13, 4)]
    resumed = loader_of(13, 4)
    resumed.load_state_dict({"served": served})
    assert [batch.index.tolist() for batch in resumed] == whole[served:]
    assert list(map(len, whole)) == [4, 4, 5]


def fit(data, tmp_path, callbacks=()):
    model = DefendedClassifier(Normalised, image_shape=data.image_shape, num_classes=data.num_classes)
    seen = []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])) if module.training else None)
    Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        callbacks=list(callbacks),
    ).fit(model, data)
    return seen


def digits(make_tree):
    return MNIST5k(batch_size=4, val_size=0, test_size=4991)


def folder(make_tree):
    return ImageFolder(make_tree({"": {"ant": 5, "bee": 4}}), batch_size=4, val_size=0, test_size=0)


def faces(make_tree):
    root = make_tree({"": {"Ann": 3, "Bea": 3, "Cy": 7}})
    return face_data(root, "Cy", batch_size=4, image_size=8, holdout=1, val_size=2, disjoint_people=False)


@pytest.mark.parametrize("make", [digits, folder, faces])
def test_training_goes_through_batch_norm_and_says_once_why(make_tree, tmp_path, capsys, make):
    seen = fit(make(make_tree), tmp_path)
    assert seen == [4, 5, 4, 5]
    assert capsys.readouterr().out.count("The last training batch would hold one image") == 1


def test_what_a_front_end_made_before_is_batched_alike(make_tree, tmp_path):
    data = folder(make_tree)
    sizes = []
    data_transfer = data.on_after_batch_transfer
    data.on_after_batch_transfer = lambda batch, number: sizes.append(len(batch.label)) or data_transfer(batch, number)
    fit(data, tmp_path, [FrontEndCache(str(tmp_path / "cache"))])
    assert sizes == [4, 5, 4, 5]


def test_nothing_is_said_where_nothing_is_joined(make_tree, tmp_path, capsys, monkeypatch):
    data = ImageFolder(make_tree({"": {"ant": 5, "bee": 3}}), batch_size=4, val_size=0, test_size=0)
    data.setup("fit")
    assert [len(batch.label) for batch in data.train_dataloader()] == [4, 4]
    assert "last training batch" not in capsys.readouterr().out
    monkeypatch.setattr(base, "process", lambda: (1, 3))  # 3 each
    assert [len(batch.label) for batch in data.train_dataloader()] == [3]


def test_evaluation_batches_are_left_as_they_are(make_tree):
    data = ImageFolder(make_tree({"": {"ant": 5, "bee": 4}}), batch_size=4, val_size=0, test_size=1.0)
    data.setup("test")
    assert [len(batch.label) for batch in data.test_dataloader()] == [4, 4, 1]


def test_single_images_that_cannot_be_joined_are_refused_in_one_sentence(tmp_path):
    data = MNIST5k(batch_size=1, val_size=0, test_size=4992)
    with pytest.raises(ValueError, match=r"^`data.batch_size` must .*batch normalisation.*; write.*\.$"):
        fit(data, tmp_path)
