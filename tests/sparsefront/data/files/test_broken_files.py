from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparsefront.data import ImageFolder
from sparsefront.data.settings import FileReading


@pytest.fixture
def root(make_tree):
    return make_tree({"": {"ant": 5, "bee": 5}}, size=(32, 32))


def picture(root):
    return Path(root, "bee", "003.png")


def break_by_text(path):
    path.write_text("no picture")


def break_by_cutting(path):
    path.write_bytes(path.read_bytes()[:-400])


def break_by_emptying(path):
    path.write_bytes(b"")


def break_by_removing(path):
    path.unlink()
    path.symlink_to("nowhere.png")


def break_by_depth(path):
    Image.fromarray(np.arange(1024, dtype=np.uint16).reshape(32, 32) * 60).save(path)


BREAKS = [break_by_text, break_by_cutting, break_by_emptying, break_by_removing, break_by_depth]


@pytest.mark.parametrize("damage", BREAKS)
@pytest.mark.parametrize("num_workers", [0, 1])
def test_setup_names_a_broken_file_in_one_sentence(root, damage, num_workers):
    damage(picture(root))
    with pytest.raises(ValueError, match=r"`root` must hold .*bee/003.png'.*; (replace|convert)") as caught:
        ImageFolder(root, image_size=16, reading=FileReading(num_workers=num_workers)).setup("fit")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", BREAKS)
def test_decoding_names_a_broken_file_where_headers_go_unchecked(root, damage):
    damage(picture(root))
    with pytest.raises(ValueError, match=r"^`root` .*bee/003.png.*; (replace|convert) .*\.$"):
        ImageFolder(root, image_size=16, reading=FileReading(check_files=False, in_memory=True, num_workers=1)).setup(
            "fit"
        )
    streamed = ImageFolder(root, image_size=16, reading=FileReading(check_files=False), val_size=0, test_size=0)
    streamed.setup("fit")
    with pytest.raises(ValueError, match=r"bee/003.png"):
        list(streamed.train_dataloader())


def test_a_jpeg_cut_short_is_found_and_one_with_bytes_behind_its_end_is_not(make_tree):
    root = make_tree({"": {"ant": 2}}, size=(32, 32))
    for path in list(Path(root).rglob("*.png")):
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    first, second = sorted(Path(root).rglob("*.jpg"))
    first.write_bytes(first.read_bytes() + bytes(500))
    ImageFolder(root, image_size=16, val_size=0, test_size=0).setup("fit")
    second.write_bytes(second.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"001\.jpg"):
        ImageFolder(root, image_size=16, val_size=0, test_size=0).setup("fit")


def test_all_broken_files_are_counted(root):
    for name in ("ant/000.png", "bee/001.png"):
        break_by_text(Path(root, name))
    with pytest.raises(ValueError, match=r"ant/000.png.* There are 2 such files among 10"):
        ImageFolder(root, image_size=16).setup("fit")


@pytest.mark.parametrize("check_files", [True, False])
def test_pictures_of_several_sizes_need_an_image_size(root, check_files):
    Image.new("RGB", (32, 30)).save(picture(root))
    with pytest.raises(ValueError, match=r"`image_size` must be given .*30x32 in '.*bee/003.png' but 32x32"):
        ImageFolder(root, reading=FileReading(check_files=check_files, in_memory=True)).setup("fit")
