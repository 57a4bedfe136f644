"""What is packed for a machine without network, and what is read there."""

import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.gpu import pack
from benchmarks.gpu.options import Options
from benchmarks.gpu.packed import PICTURES, unpack_wheels
from benchmarks.gpu.pictures import CLASSES, training_pictures
from benchmarks.gpu.pictures import test_pictures as pictures_to_attack
from tests.helpers.places import ROOT


@pytest.fixture
def tree(tmp_path):
    """Three pictures of each class for training, two for testing; pixel values tell them apart, names their class."""
    folder = tmp_path / "tree"
    for part, number in (("train", 3), ("test", 2)):
        for label, name in enumerate(CLASSES):
            (folder / part / name).mkdir(parents=True)
            for place in range(number):
                picture = np.full((32, 32, 3), 20 * label + 2 * place + (part == "test"), np.uint8)
                Image.fromarray(picture).save(folder / part / name / f"{name}_{place:04}.png")
    return folder


def options(tmp_path, *more):
    return Options.parsed(["--out", str(tmp_path), *map(str, more)], None)


def test_pictures_come_class_by_class_in_turn_from_a_tree_and_from_a_pack(tmp_path, tree):
    folder = tmp_path / "packed"
    folder.mkdir()
    for part, name in PICTURES.items():
        pack.pack_pictures(tree / part, folder / name)
    of_tree = options(tmp_path, "--image_folder", tree)
    of_pack = options(tmp_path, "--packed", folder)
    for one in (of_tree, of_pack):
        found = training_pictures(one)
        assert found.labels.tolist() == [*range(10)] * 3
        assert found.images[:, 2, 31, 0].tolist() == [
            20 * label + 2 * place for place in range(3) for label in range(10)
        ]
        assert found.images.shape == (30, 3, 32, 32)
        assert "30 pictures" in found.source
        assert training_pictures(one, 3).labels.tolist() == [0, 1, 2]
        assert pictures_to_attack(one).images[8:12, 0, 0, 0].tolist() == [161, 181, 3, 23]
    torch.testing.assert_close(
        found.as_floats(torch.device("cpu"), 2)[1], torch.full((3, 32, 32), 20 / 255, dtype=torch.float32)
    )


def test_lossless_pictures_are_attacked_in_the_place_of_others(tmp_path, tree):
    other = tmp_path / "lossless" / "test" / "cat"
    other.mkdir(parents=True)
    Image.fromarray(np.full((32, 32, 3), 77, np.uint8)).save(other / "0.png")
    found = pictures_to_attack(options(tmp_path, "--image_folder", tree, "--lossless", tmp_path / "lossless"))
    assert found.images.unique().tolist() == [77]
    assert found.labels.tolist() == [CLASSES.index("cat")]
    assert found.source == "lossless/test, 1 pictures"


@pytest.mark.parametrize("change", [lambda cat: cat.rename(cat.with_name("kitten")), shutil.rmtree])
def test_classes_are_those_of_cifar10_all_of_them(tmp_path, tree, change):
    change(tree / "test" / "cat")
    with pytest.raises(ValueError, match=r"`tree/test` must hold the classes airplane, .*, truck, found airplane, "):
        pictures_to_attack(options(tmp_path, "--image_folder", tree))


def test_none_are_made_up_for_results(tmp_path):
    with pytest.raises(ValueError, match="`--image_folder` or `--packed` must name pictures of CIFAR-10"):
        training_pictures(options(tmp_path))
    assert training_pictures(options(tmp_path, "--toy")).source == "made up"
    with pytest.raises(FileNotFoundError, match=r"pictures must lie in .*empty/train/CLASS/, found none"):
        training_pictures(options(tmp_path, "--image_folder", tmp_path / "empty"))


def test_a_pack_that_is_too_large_is_refused_and_its_sizes_said(tmp_path):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "one.whl").write_bytes(bytes(3 * 2**20))
    (tmp_path / "two").write_bytes(bytes(2**19))
    table = pack.weighed(tmp_path, most=4 * 2**20)
    assert table.splitlines() == ["    0.50 MiB  two", "    3.00 MiB  wheels/one.whl", "    3.50 MiB  in all"]
    with pytest.raises(SystemExit, match=r"3\.50 MiB  in all\npack: .* must hold at most 3 MiB\."):
        pack.weighed(tmp_path, most=3 * 2**20)
    assert pack.MOST < 64 * 2**20


def test_packages_are_taken_in_the_projects_own_versions():
    found = pack.requirements()
    assert len(found) == 2
    assert found[0].startswith("jsonargparse>=")
    assert "," in found[0]
    assert found[1].startswith("hypothesis>=")


def test_parts_find_packed_packages_as_they_are_now(tmp_path):
    """Of the same names and sizes as in an earlier call, too."""
    (tmp_path / "wheels").mkdir()
    (tmp_path / "python").write_text(f"#!/bin/sh\nexec {sys.executable} -c 'import packed_here'\n")
    (tmp_path / "python").chmod(0o755)
    program = (
        "import runpy, sys; sys.executable, *sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    script = ROOT / "benchmarks/gpu/run_all.py"
    command = [sys.executable, "-c", program, tmp_path / "python", script, "--parts", "solvers", "--packed", tmp_path]
    for value in ("1", "2"):
        with zipfile.ZipFile(tmp_path / "wheels" / "packed_here-1-py3-none-any.whl", "w") as archive:
            archive.writestr("packed_here.py", f"print('value', {value})")
        ran = subprocess.run([*command, "--out", tmp_path], capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        assert f"value {value}" in ran.stdout


def test_a_folder_without_packages_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="`--packed` must be a folder that"):
        unpack_wheels(tmp_path, tmp_path / "site")
