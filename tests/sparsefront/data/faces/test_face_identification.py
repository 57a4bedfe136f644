import inspect
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_lightning import Trainer
from torch import nn

from sparsefront import DefendedClassifier, FrontEndCache, learn_front_end
from sparsefront.data import Batch, FaceIdentification, NamedBatch, base
from sparsefront.data.cached.projected_batch import ProjectedBatch
from sparsefront.data.faces.name_pictures import name_pictures
from sparsefront.data.settings import PeopleSettings
from sparsefront.frontends import DSC
from sparsefront.frontends.dsc import DSCLayer, DSCLearningSettings, DSCSolver, SecondModality
from tests.helpers.grouped_faces import face_data

PEOPLE = {"Ann_A": 4, "Bea_B": 3, "Cy_C": 1, "Di_D": 1, "Eve_E": 2, "Halle_Berry": 9, "Zed_Z": 5}
SIZES = {"holdout": 2, "val_size": 6, "image_size": 8}
PARTS = ("train", "val", "test")


@pytest.fixture
def root(make_tree):
    return make_tree({"": PEOPLE}, size=(12, 12))


def ready(root, **settings):
    data = face_data(root, **SIZES | {"batch_size": 5} | settings)
    data.setup()
    return data


def positions(data, part):
    return data._parts[part].positions


def loaders(data):
    return dict(zip(PARTS, (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()), strict=True))


def person(root, number):
    return sorted(Path(root).rglob("*.png"))[number].parent.name


def test_the_defaults_are_the_papers():
    settings = inspect.signature(FaceIdentification).parameters
    chosen = {name: settings[name].default for name in ("image_size", "val_size")}
    assert chosen == {"image_size": 64, "val_size": 1094}
    assert settings["people"].default == PeopleSettings(positive="Halle_Berry", holdout=75)


def test_labels_parts_and_batches_are_those_of_the_folders(root, everything):
    data = ready(root)
    assert (data.image_shape, data.class_names, data.num_classes) == ((3, 8, 8), ("other", "Halle_Berry"), 2)
    served = {name: everything(loader) for name, loader in loaders(data).items()}
    assert [len(served[part][1]) for part in PARTS] == [15, 6, 4]
    assert sorted(torch.cat([fields[2] for fields in served.values()]).tolist()) == list(range(25))
    assert served["test"][1].sum() == 2
    people = []
    for images, labels, index, *_ in served.values():
        assert labels.tolist() == [int(person(root, number) == "Halle_Berry") for number in index]
        assert 0 <= images.min() <= images.max() <= 1
        people.append({person(root, number) for number in index} - {"Halle_Berry"})
    assert sum(map(len, people)) == len(set.union(*people)) == len(PEOPLE) - 1


def test_only_training_batches_bring_the_name_which_is_that_of_the_person(root):
    data = ready(root)
    assert data.second_shape == (1, 16, 128)
    for part, loader in loaders(data).items():
        for batch in loader:
            assert type(batch) is (NamedBatch if part == "train" else Batch)
    for batch in data.train_dataloader():
        for number, second in zip(batch.index, batch.second, strict=True):
            assert torch.equal(second, name_pictures([person(root, number)])[0] / 255)
    assert all(type(batch) is Batch for batch in data.predict_dataloader())


def test_a_data_module_can_be_sent_to_another_process(root):
    data = pickle.loads(pickle.dumps(ready(root)))
    assert torch.equal(data.first_training_images(3).second, ready(root).first_training_images(3).second)


def test_names_can_be_left_out(root):
    data = ready(root, names=False)
    assert data.second_shape is None
    assert all(type(batch) is Batch for batch in data.train_dataloader())


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 0.97])
@pytest.mark.parametrize("names", [True, False])
def test_the_person_looked_for_is_repeated_until_their_share_is_reached(make_tree, share, names):
    root = make_tree({"": {**PEOPLE, "Halle_Berry": 5}}, size=(12, 12))
    data = ready(root, positive_share=share, names=names)
    served = list(data.train_dataloader())
    labels, index = (torch.cat([getattr(batch, field) for batch in served]) for field in ("label", "index"))
    others, repeats = index[labels == 0], index[labels == 1].unique(return_counts=True)[1]
    plain = positions(data, "train")
    assert len(others.unique()) == len(others)
    assert sorted(index.unique().tolist()) == sorted(plain.tolist())
    assert len(repeats.unique()) == 1  # each as often as the other
    wanted = share / (1 - share) * len(others)
    assert abs(len(repeats) * repeats[0] - wanted) <= len(repeats) / 2
    for batch in served if names else []:
        for number, second in zip(batch.index, batch.second, strict=True):
            assert torch.equal(second, name_pictures([person(root, number)])[0] / 255)


def test_each_picture_is_taken_once_without_a_share_or_by_a_front_end_or_where_there_are_enough(root):
    shared = ready(root, positive_share=0.9)
    assert len(shared.train_dataloader().dataset) > 15
    plain = shared.plain_training_split().positions.tolist()
    assert len(shared.first_training_images(100).label) == 15
    learning = ready(root, positive_share=0.9)
    learning.augmenting = False  # as in stage one
    for data in (ready(root), learning, ready(root, positive_share=0.1)):
        index = torch.cat([batch.index for batch in data.train_dataloader()])
        assert sorted(index.tolist()) == sorted(plain) == sorted(set(plain))
    for data in (shared, ready(root)):
        assert [len(positions(data, part)) for part in ("val", "test")] == [6, 4]


def test_the_parts_follow_from_the_seed_alone(root):
    first = ready(root)
    for same in (ready(root, batch_size=3), ready(root, names=False), ready(root, image_size=6)):
        assert all(torch.equal(positions(first, part), positions(same, part)) for part in PARTS)
    assert any(
        set(positions(first, "test").tolist()) != set(positions(ready(root, seed=seed), "test").tolist())
        for seed in (1, 2)
    )
    index = [torch.cat([batch.index for batch in data.val_dataloader()]) for data in (first, ready(root, batch_size=2))]
    assert torch.equal(*index)


def test_several_processes_evaluate_each_picture_once(root, monkeypatch):
    data = ready(root)
    for part in ("val", "test"):
        seen = []
        for rank in range(3):
            monkeypatch.setattr(base, "process", lambda rank=rank: (rank, 3))
            seen += [number for batch in loaders(data)[part] for number in batch.index.tolist()]
        assert sorted(seen) == sorted(positions(data, part).tolist())


def test_people_may_be_torn_apart_if_asked_for(make_tree):
    root = make_tree({"": {"Halle_Berry": 20, "Ann_A": 10, "Bea_B": 10}})
    with pytest.raises(ValueError, match=r"`holdout` .* found 4; .* can be: 10; .*disjoint_people: false"):
        ready(root, holdout=4)
    data = ready(root, holdout=4, disjoint_people=False)
    assert [len(positions(data, part)) for part in PARTS] == [26, 6, 8]


def copy(root, one, other):
    shutil.copy(Path(root, *one), Path(root, *other))


def test_equal_pictures_count_once_and_not_at_all_under_both_labels(root, capsys):
    copy(root, ("Ann_A", "000.png"), ("Bea_B", "002.png"))  # places 0 and 6
    copy(root, ("Halle_Berry", "003.png"), ("Halle_Berry", "001.png"))  # 14 and 12
    copy(root, ("Halle_Berry", "005.png"), ("Zed_Z", "000.png"))  # 16 and 20
    data = ready(root)
    kept = sorted(torch.cat([positions(data, part) for part in PARTS]).tolist())
    assert kept == sorted(set(range(25)) - {6, 14, 16, 20})
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert said.startswith("4 of 25 pictures are left out")


def test_pictures_that_differ_only_outside_the_crop_are_equal(make_tree, capsys):
    root = make_tree({"": PEOPLE}, size=(12, 12))
    pixels = np.asarray(Image.open(Path(root, "Ann_A", "000.png"))).copy()
    pixels[0] = 255 - pixels[0]
    Image.fromarray(pixels).save(Path(root, "Zed_Z", "004.png"))
    data = ready(root)
    assert len(torch.cat([positions(data, part) for part in PARTS])) == 25
    assert capsys.readouterr().out == ""
    data = ready(root, crop=8)
    assert len(torch.cat([positions(data, part) for part in PARTS])) == 24
    assert capsys.readouterr().out.startswith("1 of 25 pictures are left out")


def test_the_crop_is_the_middle_square_before_resizing(make_tree):
    root = make_tree({"": PEOPLE}, size=(20, 30))
    data = ready(root, crop=10)
    batch = next(iter(data.test_dataloader()))
    stored = Image.open(sorted(Path(root).rglob("*.png"))[batch.index[0]])
    expected = stored.crop((10, 5, 20, 15)).resize((8, 8), Image.Resampling.BICUBIC)
    assert np.abs(batch.image[0].numpy() - np.asarray(expected).transpose(2, 0, 1) / 255).max() < 1e-6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"positive": "Hale_Bery"},
            r"`positive` must be one of the 7 folders .*'Hale_Bery'; did .* Halle_Berry\?",
        ),
        ({"positive": "HALLE BERRY"}, r"'HALLE BERRY'; did you mean Halle_Berry\?"),
        ({"positive": "Nobody"}, r"'Nobody'; write a folder's name as it is there"),
        ({"holdout": 75}, r"`holdout` must .* found 9 .* and 16 of others .*; the largest that does is 7"),
        ({"val_size": 20}, r"`val_size` must .*; the largest that does is"),
        ({"holdout": 0}, r"`holdout` must be >= 1, found 0"),
        ({"crop": 0}, r"`crop` must be >= 1, found 0; .*null"),
        ({"num_workers": -1}, r"`num_workers` must be >= 0, found -1"),
        ({"val_size": 1.5}, r"`val_size` must be a count"),
        ({"positive_share": 0}, r"`positive_share` must lie between 0 and 1, found 0; write e.g. 0.25, or null"),
        ({"positive_share": 1.0}, r"`positive_share` must lie between 0 and 1, found 1.0"),
        ({"positive_share": float("nan")}, r"`positive_share` must lie between 0 and 1, found nan"),
        ({"font": "no.ttf"}, r"`font` must name a .ttf file, found 'no.ttf'"),
    ],
)
def test_settings_that_cannot_hold_are_refused_before_a_picture_is_read(root, settings, message, monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("read a picture"))
    with pytest.raises(ValueError, match=message):
        face_data(root, **SIZES | settings)


def test_a_missing_root_says_how_faces_must_lie(tmp_path):
    with pytest.raises(ValueError, match=r"`root` must be a folder, .*; point .* one folder of pictures a person"):
        FaceIdentification(str(tmp_path / "nowhere"))


def test_a_picture_smaller_than_the_crop_is_named(root):
    Image.new("RGB", (20, 9)).save(Path(root, "Cy_C", "000.png"))
    with pytest.raises(ValueError, match=r"`crop` must be at most .* found 10 and '.*Cy_C/000.png' of 9x20"):
        ready(root, crop=10)


def test_a_part_without_pictures_names_the_settings_that_there_are(root):
    with pytest.raises(ValueError, match=r"`val_size` and `holdout` must leave .* 'val', .*val_size: 0 and holdout: 2"):
        face_data(root, **SIZES | {"val_size": 0}).setup("validate")


class Linear(nn.Module):
    def __init__(self, in_chans, num_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_chans, num_classes))

    def forward(self, seen):
        return self.layers(seen)


class Witness(DefendedClassifier):
    def training_step(self, batch, batch_idx):
        self.__dict__.setdefault("batches", []).append(batch)
        return super().training_step(batch, batch_idx)


def trainer(tmp_path, **settings):
    return Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path, **settings,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_a_front_end_learns_from_faces_and_names_and_a_classifier_trains_behind_its_cache(root, tmp_path):
    def dsc(image_shape):
        layers = [DSCLayer(4, 4, 4, 0.5), DSCLayer(6, lmbda=0.05)]
        second = SecondModality((1, 16, 128), [DSCLayer(4, 8, 8, 0.5)])
        solver, learning = DSCSolver(max_steps=20), DSCLearningSettings(n_iterations=2)
        return DSC(image_shape, layers, second, output="code", solver=solver, learning=learning)

    data = face_data(root, **SIZES | {"batch_size": 5})
    model = Witness(Linear, dsc, image_shape=data.image_shape, num_classes=2)
    fit = trainer(tmp_path, callbacks=[FrontEndCache(str(tmp_path / "cache"))])
    learn_front_end(model.frontend, data, fit)
    assert model.frontend.learned
    fit.fit(model, data)
    assert {type(batch) for batch in model.batches} == {ProjectedBatch}
    fit.test(model, data, verbose=False)
    assert 0 <= fit.callback_metrics["test/clean_acc"] <= 1


@pytest.mark.filterwarnings("ignore")
def test_training_augments_the_face_and_leaves_the_name(root, tmp_path):
    data = face_data(root, **SIZES | {"batch_size": 5}, augment="crop_flip")
    model = Witness(Linear, image_shape=data.image_shape, num_classes=2)
    trainer(tmp_path).fit(model, data)
    plain = data.first_training_images(100)
    assert type(plain) is NamedBatch
    place = {number: row for row, number in enumerate(plain.index.tolist())}
    assert sum(len(batch.label) for batch in model.batches) == len(plain.label) == 15
    changed = []
    for batch in model.batches:
        assert type(batch) is NamedBatch
        rows = [place[number] for number in batch.index.tolist()]
        assert torch.equal(batch.second, plain.second[rows])
        changed.append(not torch.equal(batch.image, plain.image[rows]))
    assert all(changed)
