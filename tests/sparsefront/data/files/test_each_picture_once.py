"""Each real file is in one part of a data set, once, or the folder is refused with the path."""

import io
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import datasets

from sparsefront.data import ImageFolder
from sparsefront.data.files.class_folders import list_parts
from sparsefront.data.settings import FileReading
from tests.helpers.grouped_faces import face_data


def png(number):
    """A picture of 2x2 pixels that no other number gives."""
    file = io.BytesIO()
    pixels = np.array([number >> 8, number & 255, 7, 7] * 3, dtype=np.uint8).reshape(2, 2, 3)
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def identity(path):
    found = os.stat(path)
    return found.st_dev, found.st_ino


def served(data):
    """Part and class of each real file that a data module serves, and how often it does."""
    data.setup(None)
    found = []
    for part, loader in zip(
        ("train", "val", "test"), (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()), strict=True
    ):
        paths = data.folders[part if part in data.folders else "train"].paths
        for batch in loader:
            for index, label in zip(batch.index.tolist(), batch.label.tolist(), strict=True):
                found.append((identity(paths[index]), part, data.class_names[label]))
    return found


class Tree:
    """A tree of class folders with links, and what is really in it."""

    def __init__(self, base, parts):
        self.base, self.root = base, base / "root"
        self.parts = parts
        self.homes = [(part, name) for part in parts for name in ("ant", "bee")]
        self.truth = {}
        self.number = 0
        self.folders = {}
        for home in self.homes:
            self.folders[home] = [Path(self.root, *home)]
            self.folders[home][0].mkdir(parents=True)
            for _ in range(3):
                self.picture(home, self.folders[home][0])

    def fresh(self, suffix=""):
        self.number += 1
        return f"n{self.number}{suffix}"

    def picture(self, home, folder, counted=True, name=None):
        path = folder / (name or self.fresh(".png"))
        path.write_bytes(png(self.number))
        if counted:
            self.truth[identity(path)] = home
        return path

    def add(self, kind, home, place):
        folder = self.folders[home][place % len(self.folders[home])]
        outside = self.base / self.fresh()
        if kind == "folder":
            self.folders[home].append(folder / self.fresh())
            self.folders[home][-1].mkdir()
            self.picture(home, self.folders[home][-1])
        elif kind == "hidden":
            hidden = folder / f".{self.fresh()}"
            hidden.mkdir()
            self.picture(home, hidden, counted=False)
            self.picture(home, folder, counted=False, name=f"._{self.fresh('.png')}")
            (folder / ".DS_Store").write_bytes(b"x")
        elif kind == "class":
            hidden = Path(self.root, home[0], [".ipynb_checkpoints", "__MACOSX", "lost+found"][place % 3])
            hidden.mkdir(exist_ok=True)
            self.picture(home, hidden, counted=False)
        elif kind == "loop":
            up = [folder, *folder.parents][place % (len(folder.relative_to(self.base).parts) + 1)]
            (folder / self.fresh()).symlink_to(up if place % 2 else os.path.relpath(up, folder))
        elif kind == "root loop":
            Path(self.root, home[0], self.fresh()).symlink_to([".", "..", str(self.base)][place % 3])
        elif kind == "soft link":
            (folder / self.fresh(".png")).symlink_to(self.picture(home, folder))
        elif kind == "hard link":
            (folder / self.fresh(".png")).hardlink_to(self.picture(home, folder))
        elif kind == "link to a folder":
            (folder / self.fresh()).symlink_to(self.folders[home][-1])
        elif kind == "outside file":
            outside.mkdir()
            (folder / self.fresh(".png")).symlink_to(self.picture(home, outside))
        elif kind == "outside folder":
            outside.mkdir()
            self.picture(home, outside)
            (outside / "back").symlink_to(self.root)
            (folder / self.fresh()).symlink_to(outside)
            (folder / self.fresh()).symlink_to(outside)


KINDS = [
    "folder",
    "hidden",
    "class",
    "loop",
    "root loop",
    "soft link",
    "hard link",
    "link to a folder",
    "outside file",
    "outside folder",
]


@given(
    parts=st.sampled_from([("",), ("train", "val"), ("train", "test"), ("train", "val", "test")]),
    steps=st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 5), st.integers(0, 11)), max_size=12),
)
@settings(deadline=None, max_examples=60)
def test_any_tree_is_served_file_by_file(parts, steps):
    with tempfile.TemporaryDirectory() as base:
        tree = Tree(Path(base), parts)
        for kind, home, place in steps:
            tree.add(kind, tree.homes[home % len(tree.homes)], place)
        found = served(ImageFolder(str(tree.root), image_size=2, val_size=0.3, test_size=0.3, batch_size=7))
        assert len(found) == len({real for real, _, _ in found})
        assert {real: name for real, _, name in found} == {real: name for real, (_, name) in tree.truth.items()}
        for real, part, _ in found:
            assert part == tree.truth[real][0] or (tree.truth[real][0] in ("", "train") and part not in parts)


@pytest.mark.parametrize("target", [".", "..", "../..", "../a", "sub", "sub/.."])
def test_a_link_into_its_own_folder_makes_no_picture_twice(make_tree, target):
    root = make_tree({"": {"a": 6, "b": 6}})
    Path(root, "a", "sub").mkdir()
    Path(root, "a", "loop").symlink_to(target)
    Path(root, "a", "sub", "loop").symlink_to(Path(root, "a", target))
    data = ImageFolder(root, val_size=3, test_size=3)
    assert sorted(name for _, _, name in served(data)) == ["a"] * 6 + ["b"] * 6


def test_of_the_names_of_a_file_the_one_that_is_no_link_is_kept(make_tree):
    root = make_tree({"": {"ant": 2, "bee": 2}})
    Path(root, "ant", "000.png").rename(Path(root, "ant", "x.png"))
    Path(root, "ant", "000.png").symlink_to("x.png")
    assert [Path(path).name for path in list_parts(root)["train"].paths[:2]] == ["001.png", "x.png"]


def soft(old, new):
    new.symlink_to(old)


def soft_twice(old, new):
    step = new.with_name(".step")
    step.symlink_to(old)
    new.symlink_to(step.name)


def hard(old, new):
    new.hardlink_to(old)


def by_folder(old, new):
    (new.parent / "folder").symlink_to(old.parent)


LINKS = [soft, soft_twice, hard, by_folder]


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("kind", [ImageFolder, lambda root: face_data(root, "bee", holdout=1, val_size=1)])
def test_a_file_in_two_classes_is_refused_with_both_paths(make_tree, link, kind):
    root = make_tree({"": {"ant": 5, "bee": 5}})
    link(Path(root, "ant", "000.png").resolve(), Path(root, "bee", "other.png"))
    with pytest.raises(ValueError, match=r"^`root` must hold each picture in one class, .*ant/0.*bee/.*; remove"):
        kind(root)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(("one", "other"), [("train", "val"), ("train", "test"), ("val", "test"), ("test", "train")])
def test_a_file_in_two_parts_is_refused_with_both_paths(make_tree, link, one, other):
    root = make_tree({part: {"ant": 3, "bee": 3} for part in ("train", "val", "test")})
    link(Path(root, one, "ant", "000.png").resolve(), Path(root, other, "ant", "other.png"))
    with pytest.raises(ValueError, match=r"^`root` must hold each picture in one of .*; remove") as caught:
        ImageFolder(root)
    assert all(f"/{part}/ant/" in str(caught.value) for part in (one, other))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["val", "test"])
def test_a_part_that_is_a_link_to_another_is_refused(make_tree, name):
    root = make_tree({"train": {"ant": 3, "bee": 3}})
    Path(root, name).symlink_to("train")
    with pytest.raises(
        ValueError, match=rf"found 6 in two of them, .*/train/.*/{name}/|found 6 in two .*/{name}/.*/train/"
    ):
        ImageFolder(root)


def copy_into(root, old, new):
    Path(root, new).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(root, old), Path(root, new))


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("num_workers", [0, 1])
def test_copies_in_two_parts_stay_in_the_later_part_and_are_said(make_tree, in_memory, num_workers):
    root = make_tree({"train": {"ant": 4, "bee": 4}, "val": {"ant": 2, "bee": 2}, "test": {"ant": 2, "bee": 2}})
    copy_into(root, "train/ant/000.png", "val/ant/a.png")
    copy_into(root, "train/bee/001.png", "test/ant/b.png")  # under another label, too
    copy_into(root, "val/bee/001.png", "test/bee/c.png")
    copy_into(root, "train/bee/000.png", "train/bee/d.png")  # within a part it harms nobody
    data = ImageFolder(root, reading=FileReading(in_memory=in_memory, num_workers=num_workers))
    with pytest.warns(UserWarning, match=r"left out of the part") as said:
        found = served(data)
    assert [part for _, part, _ in found].count("train") == 7
    assert [part for _, part, _ in found].count("val") == 4
    assert [part for _, part, _ in found].count("test") == 6
    train, val = sorted(str(warning.message) for warning in said if "left out" in str(warning.message))[::-1]
    assert "2 of 9" in train
    assert "train/ant/000.png" in train
    assert "val/ant/a.png" in train
    assert "1 of 5" in val
    assert "val/bee/001.png" in val
    assert "test/bee/c.png" in val


def test_copies_in_a_flat_tree_are_never_in_two_parts(make_tree):
    root = make_tree({"": {"ant": 20, "bee": 20}})
    for number in range(20):
        copy_into(root, f"ant/{number:03}.png", f"ant/copy{number}.png")
    data = ImageFolder(root, val_size=12, test_size=12)
    with pytest.warns(UserWarning, match=r"left out of the part '(train|val)'"):
        data.setup(None)
    parts = [data._parts[part] for part in ("train", "val", "test")]
    contents = [{image.numpy().tobytes() for image in source.pixels(positions)} for source, positions in parts]
    assert sum(map(len, contents)) == len(set.union(*contents)) == 40
    assert len(data._parts["test"].positions) == 12


def test_parts_are_the_same_whatever_is_asked_for_first(make_tree):
    root = make_tree({"train": {"ant": 9, "bee": 9}, "val": {"ant": 5, "bee": 5}})
    for number in range(5):
        copy_into(root, f"train/ant/{number:03}.png", f"val/ant/copy{number}.png")
    whole, single = (ImageFolder(root, test_size=6) for _ in range(2))
    with pytest.warns(UserWarning, match="left out"):
        whole.setup(None)
    with pytest.warns(UserWarning, match="left out"):
        single.setup("validate")
    assert torch.equal(whole._parts["val"].positions, single._parts["val"].positions)


def test_a_part_of_nothing_but_copies_is_refused(make_tree):
    root = make_tree({"train": {"ant": 3, "bee": 3}})
    shutil.copytree(Path(root, "train"), Path(root, "val"))
    with pytest.raises(
        ValueError, match=r"`root` must hold pictures for the part 'train' .* all 6 .*train/ant/000.png.*val"
    ):
        ImageFolder(root, test_size=0).setup("fit")


@pytest.mark.parametrize("name", ["valid", "validation", "Test", "testing", "dev"])
def test_a_part_by_another_name_is_refused_and_not_left_out(make_tree, name):
    root = make_tree({"train": {"ant": 3, "bee": 3}, name: {"ant": 3, "bee": 3}})
    with pytest.raises(ValueError, match=rf"`root` must call its parts train/, val/ and test/, found {name}/"):
        ImageFolder(root)


@pytest.mark.parametrize("names", [("Training", "Testing"), ("Train", "Test"), ("training", "valid")])
def test_parts_by_other_names_are_not_taken_for_classes(make_tree, names):
    root = make_tree({name: {"ant": 3, "bee": 3} for name in names})
    with pytest.raises(ValueError, match=r"`root` must call its parts train/, val/ and test/"):
        ImageFolder(root)


def test_a_folder_that_cannot_be_read_is_named(make_tree, monkeypatch):
    root = make_tree({"": {"ant": 3, "bee": 3}})
    locked = Path(root, "bee", "locked")
    locked.mkdir()
    scandir = os.scandir

    def refusing(folder):
        if os.fspath(folder) == str(locked):
            raise PermissionError(13, "Permission denied", str(locked))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(ValueError, match=r"`root` must hold folders that can be read, found '.*bee/locked'"):
        ImageFolder(root)


def test_pictures_that_are_left_out_are_counted(make_tree, capsys):
    root = make_tree({"": {"ant": 3, "bee": 3}})
    for name in ("ant/moving.GIF", "bee/phone.heic", "loose.png", ".hidden.png", "bee/notes.txt", "ant/.hidden.gif"):
        shutil.copy(Path(root, "ant", "000.png"), Path(root, name))
    assert len(list_parts(root)["train"].paths) == 6
    said = capsys.readouterr().out
    assert "3 pictures in" in said
    assert "loose.png" in said
    assert said.count("\n") == 1


def test_a_class_whose_name_is_no_text_is_refused(make_tree):
    root = make_tree({"": {"ant": 3, "bee": 3}})
    Path(root, "ant").rename(Path(root, "ant\udcff"))
    with pytest.raises(ValueError, match=r"`root` must hold folders whose names are text in UTF-8, found 'ant\\udcff'"):
        ImageFolder(root)


def test_the_listing_is_torchvisions_where_nothing_is_hidden_or_linked(make_tree):
    root = make_tree({"": {"b": 3, "B-a": 2, "a": 4}, "a": {"x": 2, "x-y": 2, "x/z": 1}})
    shutil.copy(Path(root, "b", "000.png"), Path(root, "b", "LOUD.PNG"))
    Path(root, "b", "notes.txt").write_text("x")
    listing, theirs = list_parts(root)["train"], datasets.ImageFolder(root)
    assert listing.names == theirs.classes
    assert list(zip(listing.paths, listing.labels, strict=True)) == theirs.samples
