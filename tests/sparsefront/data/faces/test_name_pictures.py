import os
from pathlib import Path

import matplotlib
import pytest
import torch
from PIL import ImageFont

from sparsefront.data.faces.name_pictures import check_font, name_pictures

DEJA_VU = str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"))
NAMES = ["Halle_Berry", "Al_Od", "Jean-Pierre_van_der_Somebody_Longname-Otherwise", "O'Neil", "Halle_Berri"]


@pytest.mark.parametrize("font", [None, DEJA_VU])
def test_names_differ_and_lie_whole_in_the_middle_of_a_black_picture(font):
    pictures = name_pictures(NAMES, font)
    assert (pictures.shape, pictures.dtype) == ((5, 1, 16, 128), torch.uint8)
    assert len({picture.numpy().tobytes() for picture in pictures}) == 5
    for picture in pictures[:, 0]:
        assert picture.max() > 150  # white
        rows, columns = torch.where(picture.amax(dim=1) > 0)[0], torch.where(picture.amax(dim=0) > 0)[0]
        assert abs(rows[0] + rows[-1] - 15) <= 3
        assert abs(columns[0] + columns[-1] - 127) <= 3


def test_a_name_is_as_large_as_fits():
    widths = []
    for name, picture in zip(NAMES[:3], name_pictures(NAMES[:3]), strict=True):
        columns = torch.where(picture[0].amax(dim=0) > 0)[0]
        widths.append(int(columns[-1] - columns[0]) + 1)
        text = name.replace("_", " ")
        boxes = [ImageFont.load_default(size).getbbox(text) for size in range(1, 21)]
        fitting = [box[2] - box[0] for box in boxes if box[2] - box[0] <= 128 and box[3] - box[1] <= 16]
        assert abs(widths[-1] - max(fitting)) <= 3
    assert widths[1] < widths[0] < widths[2]


def test_underscores_and_blanks_around_are_no_letters():
    assert torch.equal(name_pictures(["Halle_Berry"]), name_pictures(["_Halle  Berry_"]))


def test_a_name_looks_the_same_whoever_else_is_there():
    together, alone = name_pictures(NAMES), [name_pictures([name]) for name in NAMES]
    assert torch.equal(together, torch.cat(alone))


def test_names_that_cannot_be_told_apart_or_fit_nowhere_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`font` must draw .* 'A_B' and 'A B' alike; .* names: false"):
        name_pictures(["C", "A_B", "A B"])
    with pytest.raises(ValueError, match=r"`names` needs names that fit in 128x16 pixels, found 'x+', .*shorten"):
        name_pictures(["x" * 300])
    with pytest.raises(ValueError, match=r"`font` must name a .ttf file, found '.*arial.ttf' .*; write null"):
        check_font(str(tmp_path / "arial.ttf"))
    (tmp_path / "arial.ttf").write_text("no font")
    with pytest.raises(ValueError, match=r"`font` must name a .ttf file"):
        check_font(str(tmp_path / "arial.ttf"))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_a_font_that_is_no_ordinary_file_is_refused_without_waiting_for_it(tmp_path, make):
    make(tmp_path / "font.ttf")
    with pytest.raises(
        ValueError, match=r"`font` must name a .ttf file, found '.*font.ttf' \(which is no ordinary file\)"
    ):
        check_font(str(tmp_path / "font.ttf"))
