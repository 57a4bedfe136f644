"""Pictures are served upright, as viewers and phones show them."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from sparsefront.data import ImageFolder
from sparsefront.data.files.decoding import check_header, decode
from sparsefront.data.settings import FileReading
from tests.helpers.grouped_faces import face_data

UPRIGHT = np.kron(np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
# EXIF 2.32, Orientation: where row 0 and column 0 of what is stored lie in the picture as it was taken.
STORED = {
    1: lambda image: image,  # top, left
    2: lambda image: image[:, ::-1],  # top, right
    3: lambda image: image[::-1, ::-1],  # bottom, right
    4: lambda image: image[::-1],  # bottom, left
    5: lambda image: image.swapaxes(0, 1),  # left, top
    6: lambda image: image[:, ::-1].swapaxes(0, 1),  # right, top
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda image: image[::-1].swapaxes(0, 1),  # left, bottom
}
KINDS = {
    "jpg": {"format": "JPEG", "quality": 100, "subsampling": 0},
    "png": {"format": "PNG"},
    "webp": {"format": "WEBP", "lossless": True},
    "tif": {"format": "TIFF"},
    "tiff": {"format": "TIFF", "compression": "tiff_lzw"},
    "JPG": {"format": "MPO", "quality": 100, "subsampling": 0},
}


def write(path, orientation, upright=UPRIGHT, **settings):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = np.ascontiguousarray(STORED.get(orientation, STORED[1])(upright))
    Image.fromarray(stored).save(path, exif=exif, **settings)


@pytest.mark.parametrize("orientation", sorted(STORED))
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_orientation_of_every_kind_is_decoded_upright(tmp_path, kind, orientation):
    path = str(tmp_path / f"picture.{kind}")
    write(path, orientation, **KINDS[kind])
    decoded = np.asarray(decode(path, 3)).astype(int)
    assert decoded.shape == UPRIGHT.shape
    assert np.abs(decoded - UPRIGHT).max() <= 2  # JPEG rounds
    assert check_header(path) == UPRIGHT.shape[:2]
    assert np.array_equal(decoded, np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB")))
    assert decode(path, 1).size == UPRIGHT.shape[1::-1]


def late_chunk(path, kind, data):
    """Move what a PNG says of itself behind its pixels, where it may stand as well."""
    content = path.read_bytes()
    body = kind + data
    chunk = len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    path.write_bytes(content[:-12] + chunk + content[-12:])


@pytest.mark.parametrize("orientation", sorted(STORED))
def test_a_png_may_say_its_orientation_behind_its_pixels(tmp_path, orientation):
    path = tmp_path / "late.png"
    Image.fromarray(np.ascontiguousarray(STORED[orientation](UPRIGHT))).save(path)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    late_chunk(path, b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    assert np.array_equal(np.asarray(decode(str(path), 3)), UPRIGHT)
    assert check_header(str(path)) == UPRIGHT.shape[:2]


@pytest.mark.parametrize("orientation", [0, 9, 200])
@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_an_orientation_that_is_none_leaves_the_picture_as_it_is(tmp_path, kind, orientation):
    path = str(tmp_path / f"picture.{kind}")
    write(path, orientation, **KINDS[kind])
    assert decode(path, 3).size == (40, 24)
    assert check_header(path) == (24, 40)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0nonsense", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"]
)
@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
@pytest.mark.filterwarnings("ignore:.*[Cc]orrupt EXIF")
def test_damaged_metadata_do_not_cost_the_picture(tmp_path, kind, exif):
    path = tmp_path / f"picture.{kind}"
    Image.fromarray(UPRIGHT).save(path, exif=exif, **KINDS[kind])
    assert decode(str(path), 3).size == (40, 24)
    assert check_header(str(path)) == (24, 40)


def test_a_palette_with_transparency_is_turned_too(tmp_path):
    path = str(tmp_path / "palette.png")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    stored = Image.fromarray(np.ascontiguousarray(STORED[6](UPRIGHT))).quantize(16)
    stored.save(path, exif=exif, transparency=bytes([0, 128, 255]))
    plain = str(tmp_path / "plain.png")
    ImageOps.exif_transpose(stored).save(plain, transparency=bytes([0, 128, 255]))
    assert decode(path, 3).size == (40, 24)
    assert np.array_equal(np.asarray(decode(path, 3)).swapaxes(0, 1)[::-1], np.asarray(decode(plain, 3)))


def picture(number, second_class):
    """No two are equal."""
    return np.roll(UPRIGHT, 2 * number + second_class, axis=1)


def folder_of(tmp_path, orientations, names=("ant", "bee")):
    for name in names:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for number, orientation in enumerate(orientations):
            upright = picture(number, name == names[1])
            write(folder / f"{number}.png", orientation, upright, format="PNG")
    return str(tmp_path)


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("image_size", [None, 24])
def test_a_folder_of_all_orientations_is_served_like_the_same_pictures_upright(tmp_path, in_memory, image_size):
    """Without an `image_size` this needs the upright size of every file, from the first on."""
    orders = [6, 1, 2, 3, 4, 5, 7, 8]
    turned = folder_of(tmp_path / "turned", orders)
    plain = folder_of(tmp_path / "plain", [1] * 8)
    sets = [
        ImageFolder(root, image_size=image_size, reading=FileReading(in_memory=in_memory)) for root in (turned, plain)
    ]
    assert sets[0].image_shape == sets[1].image_shape == (3, 24, 24 if image_size else 40)
    for data in sets:
        data.setup("fit")
    for one, other in zip(*(data.train_dataloader() for data in sets), strict=True):
        assert (one.image - other.image).abs().max() < 1e-7


def test_a_size_is_reported_upright(tmp_path):
    root = folder_of(tmp_path, [1, 8])
    upright = np.zeros((40, 24, 3), dtype=np.uint8)
    write(Path(root, "bee", "1.png"), 8, upright, format="PNG")
    with pytest.raises(ValueError, match=r"found 40x24 in '.*bee/1.png' but 24x40"):
        ImageFolder(root).setup("fit")


def test_faces_are_upright_and_equal_ones_count_once_however_they_are_stored(tmp_path):
    root = folder_of(tmp_path, [1, 3, 6, 8], names=("Ann", "Bea"))
    write(Path(root, "Bea", "9.png"), 6, picture(0, True), format="PNG")  # Bea/0.png, stored otherwise
    data = face_data(root, "Bea", image_size=24, holdout=1, val_size=2, disjoint_people=False)
    data.setup(None)
    assert sum(len(data._parts[part].positions) for part in ("train", "val", "test")) == 8
    first = data._parts["train"].source.pixels(data._parts["train"].positions[:1])[0]
    number = int(data._parts["train"].positions[0])
    expected = picture(number % 4, number > 3)[:, 8:32]
    assert np.array_equal(first.numpy().transpose(1, 2, 0), expected)
