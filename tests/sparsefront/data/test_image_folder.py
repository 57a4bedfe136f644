from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sparsefront.data import ImageFolder
from sparsefront.data.settings import FileReading

FLAT = {"": {"ant": 12, "bee": 6, "cow": 9}}
PARTS = {"train": {"ant": 10, "bee": 10}, "val": {"ant": 3, "bee": 2}, "test": {"ant": 4, "bee": 4}}


def loaders(data, stage=None):
    data.setup(stage)
    return [data.train_dataloader(), data.val_dataloader(), data.test_dataloader()]


def test_a_flat_tree_is_cut_into_parts_that_never_overlap(make_tree, everything):
    data = ImageFolder(make_tree(FLAT), val_size=6, test_size=3)
    assert (data.image_shape, data.num_classes, data.class_names) == ((3, 8, 8), 3, ("ant", "bee", "cow"))
    train, val, test = (everything(loader) for loader in loaders(data))
    assert [len(part[2]) for part in (train, val, test)] == [18, 6, 3]
    assert sorted(torch.cat([train[2], val[2], test[2]]).tolist()) == list(range(27))
    assert torch.bincount(train[1]).tolist() == [8, 4, 6]


def test_folders_named_after_parts_are_these_parts(make_tree, everything):
    root = make_tree(PARTS)
    train, val, test = (everything(loader) for loader in loaders(ImageFolder(root)))
    assert [sorted(part[2].tolist()) for part in (train, val, test)] == [[*range(20)], [*range(5)], [*range(8)]]
    for part, (images, labels, index) in {"train": train, "val": val, "test": test}.items():
        paths = sorted(Path(root, part).rglob("*.png"))
        for image, label, number in zip(images, labels, index, strict=True):
            stored = np.asarray(Image.open(paths[number])).transpose(2, 0, 1)
            assert np.abs(image.numpy() - stored / 255).max() < 1e-7
            assert paths[number].parent.name == ("ant", "bee")[label]


def test_missing_parts_are_cut_from_train(make_tree):
    data = ImageFolder(make_tree({"train": {"ant": 10, "bee": 10}, "test": {"ant": 2, "bee": 2}}), val_size=0.2)
    assert [len(loader.dataset) for loader in loaders(data)] == [16, 4, 4]


def test_evaluation_of_a_folder_sorted_by_class_meets_all_classes_early(make_tree):
    data = ImageFolder(make_tree({"train": {"ant": 2, "bee": 2}, "val": {"ant": 40, "bee": 40}}), batch_size=32)
    data.setup("validate")
    first, again = (next(iter(data.val_dataloader())) for _ in range(2))
    assert 8 < first.label.sum() < 24
    assert torch.equal(first.index, again.index)


def test_evaluation_shows_the_middle_square_of_the_resized_picture(make_tree):
    root = make_tree({"": {"ant": 1}}, size=(24, 40))
    data = ImageFolder(root, image_size=12, val_size=0, test_size=1.0)
    data.setup("test")
    shown = next(iter(data.test_dataloader())).image[0]
    picture = Image.open(next(Path(root).rglob("*.png"))).resize((20, 12), Image.Resampling.BICUBIC)
    assert np.abs(shown.numpy() - np.asarray(picture.crop((4, 0, 16, 12))).transpose(2, 0, 1) / 255).max() < 1e-7


@pytest.mark.parametrize("num_workers", [0, 2])
def test_memory_and_streaming_serve_equal_batches(make_tree, num_workers):
    root = make_tree(FLAT, size=(10, 14))
    both = [
        loaders(
            ImageFolder(
                root, image_size=8, reading=FileReading(in_memory=in_memory, num_workers=num_workers), batch_size=5
            )
        )
        for in_memory in (True, False)
    ]
    for in_memory, streamed in zip(*both, strict=True):
        for one, other in zip(in_memory, streamed, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_gray_and_transparent_pictures_become_the_channels_asked_for(make_tree, tmp_path):
    for mode in ("L", "RGBA"):
        root = make_tree({"": {"ant": 2}}, mode=mode, root=tmp_path / mode)
        for channels in (1, 3):
            data = ImageFolder(root, reading=FileReading(channels=channels), val_size=0, test_size=1.0)
            data.setup("test")
            batch = next(iter(data.test_dataloader()))
            assert tuple(batch.image.shape[1:]) == data.image_shape == (channels, 8, 8)
            stored = Image.open(sorted(Path(root).rglob("*.png"))[batch.index[0]]).convert(
                "L" if channels == 1 else "RGB"
            )
            assert np.abs(batch.image[0].numpy() - np.atleast_3d(stored).transpose(2, 0, 1) / 255).max() < 1e-7


def test_a_palette_with_transparency_is_read_without_a_warning(make_tree):
    root = make_tree({"": {"ant": 1}})
    path = next(Path(root).rglob("*.png"))
    Image.open(path).quantize(8).save(path, transparency=bytes([0, 128, 255]))
    data = ImageFolder(root, val_size=0, test_size=1.0)
    data.setup("test")
    assert next(iter(data.test_dataloader())).image.shape == (1, 3, 8, 8)


def test_a_part_is_fixed_by_the_seed_whatever_the_validation_size(make_tree):
    root = make_tree(FLAT)
    tests = [ImageFolder(root, seed=seed, val_size=val, test_size=9) for seed, val in ((0, 2), (0, 9), (1, 2))]
    for data in tests:
        data.setup("test")
    first, second, other = (set(data.test_dataloader().dataset.positions.tolist()) for data in tests)
    assert first == second != other


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"": {"ant": 2, "bee": 0}}, "bee"),
        ({"train": {"ant": 1}, "val": {"ant": 1, "bee": 1}}, "same class folders in train/ and val/, found 1 .*'bee'"),
        ({"val": {"ant": 1}}, r"must hold train/ where it holds val/, .*test_size: 1.0"),
    ],
)
def test_a_tree_that_does_not_hold_is_refused_at_construction(make_tree, parts, message):
    with pytest.raises(ValueError, match=message):
        ImageFolder(make_tree(parts))


def test_a_missing_or_empty_root_is_refused_at_construction(tmp_path):
    with pytest.raises(ValueError, match=r"`root` must be a folder, found '.*nowhere'"):
        ImageFolder(str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="`root` must hold pictures by class"):
        ImageFolder(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
