"""Data from a folder is called by the folder's name, and `~` is the home folder."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from sparsefront.data import CIFAR10, MNIST, ImageFolder, MNIST5k
from sparsefront.data.settings import FileReading
from sparsefront.evaluation.trainer_facts import name_of_data
from tests.helpers.grouped_faces import face_data


def named(data):
    return name_of_data(SimpleNamespace(datamodule=data))


@pytest.mark.parametrize(
    ("folder", "name"),
    [("imagenette", "imagenette"), ("imagenette/train", "imagenette/train"), ("a b\n", "a b?"), ("x/val/", "x/val")],
)
def test_a_folder_gives_its_name(make_tree, tmp_path, folder, name):
    root = make_tree({"": {"ant": 2, "bee": 2}}, root=tmp_path / folder)
    assert named(ImageFolder(root)) == name
    assert named(ImageFolder(root + "/")) == name


def test_a_path_without_a_name_gives_the_folders_own(make_tree, tmp_path, monkeypatch):
    make_tree({"": {"ant": 2, "bee": 2}}, root=tmp_path / "digits")
    monkeypatch.chdir(tmp_path / "digits")
    assert named(ImageFolder(".")) == "digits"
    assert named(ImageFolder("../digits")) == "digits"
    monkeypatch.chdir(tmp_path / "digits" / "ant")
    assert named(ImageFolder("..")) == "digits"


def test_a_link_is_called_as_the_user_calls_it(make_tree, tmp_path):
    make_tree({"": {"ant": 2, "bee": 2}}, root=tmp_path / "disk" / "0001")
    (tmp_path / "birds").symlink_to("disk/0001")
    assert named(ImageFolder(str(tmp_path / "birds"))) == "birds"


def test_faces_are_called_by_the_folder_and_the_person(make_tree, tmp_path):
    root = make_tree({"": {"Ann": 5, "Bea": 5}}, root=tmp_path / "lfw")
    assert named(face_data(root, "Bea", holdout=1, val_size=2)) == "lfw, Bea"


def test_what_is_no_folder_keeps_the_name_of_its_class(tmp_path):
    assert [named(MNIST5k()), named(MNIST(root=str(tmp_path))), named(object())] == ["MNIST5k", "MNIST", "object"]
    assert name_of_data(SimpleNamespace()) == "a data loader"


def test_a_tilde_is_the_home_folder_everywhere(make_tree, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    make_tree({"": {"ant": 5, "bee": 5}}, root=tmp_path / "tree")
    (tmp_path / "names.txt").write_text("bee\nant\n")
    data = ImageFolder("~/tree", reading=FileReading(classes="~/names.txt"))
    assert Path(data.folders["train"].paths[0]).is_relative_to(tmp_path)
    assert named(data) == "tree"
    assert face_data("~/tree", "ant", holdout=1, val_size=2).root == str(tmp_path / "tree")
    assert MNIST(root="~/digits").root == CIFAR10(root="~/digits").root == str(tmp_path / "digits")
    assert not (tmp_path / "~").exists()
