"""Files that are no pictures, or harmful ones, are refused in one sentence that names them."""

import io
import os
import socket
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader

from sparsefront.cli.command import main
from sparsefront.data import ImageFolder
from sparsefront.data.files.decoding import FORMATS, check_header, decode
from sparsefront.data.files.picture_error import PictureError
from sparsefront.data.settings import FileReading
from sparsefront.data.splits.split import as_is


@pytest.fixture
def root(make_tree):
    return make_tree({"": {"ant": 8, "bee": 8}}, size=(16, 24))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *chunks):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def bomb(path):
    path.write_bytes(png(30000, 30000, chunk(b"IDAT", zlib.compress(bytes(30001)))))


def tiff_bomb(path):
    Image.new("L", (8, 8)).save(path, "tiff")
    content = path.read_bytes()
    for tag in (256, 257):  # width and height
        place = next(content.index(start) for kind in (3, 4) if (start := struct.pack("<HH", tag, kind)) in content)
        content = content[:place] + struct.pack("<HHII", tag, 4, 1, 60000) + content[place + 12 :]
    path.write_bytes(content)


def text_bomb(path):
    text = zlib.compress(bytes(3 << 20))
    path.write_bytes(png(1, 1, chunk(b"zTXt", b"Comment\0\0" + text), chunk(b"IDAT", zlib.compress(b"\0\0"))))


def late_text_bomb(path):
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(3 << 20)))
    path.write_bytes(png(1, 1, chunk(b"IDAT", zlib.compress(b"\0\0")), text))


def broken_chunk(path):
    path.write_bytes(png(4, 4, chunk(b"IDAT", b"nonsense")))


def postscript(path):
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n%%EOF\n")


def pdf(path):
    path.write_text("%PDF-1.4\n")


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def linked_pipe(path):
    os.mkfifo(path.with_name(".pipe"))
    path.unlink()
    path.symlink_to(".pipe")


def unix_socket(path):
    path.unlink()
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's name is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


def circle(path):
    path.unlink()
    path.symlink_to(path.name)


HARM = [bomb, tiff_bomb, text_bomb, broken_chunk, postscript, pdf, pipe, linked_pipe, unix_socket, device, circle]
DECODED = [late_text_bomb]  # found when the pixels are read


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("num_workers", [0, 1])
def test_harmful_files_are_refused_by_name_before_training(root, harm, num_workers):
    harm(Path(root, "bee", "003.png"))
    if harm is broken_chunk:  # damage inside is found by decoding
        data = ImageFolder(root, image_size=8, reading=FileReading(num_workers=num_workers, in_memory=True))
    else:
        data = ImageFolder(root, image_size=8, reading=FileReading(num_workers=num_workers))
    with pytest.raises(ValueError, match=r"^`root` must hold .*'.*bee/003.png'.*; replace or delete (it|that file)\.$"):
        data.setup("fit")


@pytest.mark.parametrize("harm", [*HARM, *DECODED])
def test_harmful_files_are_refused_by_name_where_headers_go_unchecked(root, harm):
    path = Path(root, "bee", "003.png")
    harm(path)
    with pytest.raises(PictureError, match=r"bee/003.png'.*; replace or delete") as caught:
        decode(str(path), 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("harm", [pipe, unix_socket, device])
def test_what_would_be_waited_for_is_called_by_its_kind(root, harm):
    harm(Path(root, "bee", "003.png"))
    kind = {"pipe": "a named pipe", "unix_socket": "a socket", "device": "a device"}[harm.__name__]
    with pytest.raises(ValueError, match=rf"ordinary files, found '.*bee/003.png', which is {kind};"):
        ImageFolder(root, image_size=8).setup("fit")


def test_no_program_is_started_for_a_picture(root, monkeypatch):
    postscript(Path(root, "bee", "003.png"))
    monkeypatch.setattr(subprocess, "Popen", None)
    with pytest.raises(ValueError, match="no picture of a kind that is read"):
        decode(str(Path(root, "bee", "003.png")), 3)
    assert not {"EPS", "PDF", "WMF", "FITS", "SPIDER"} & set(FORMATS)


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_bad_picture_met_by_a_loaders_process_is_one_sentence(root, persistent, num_workers):
    broken_chunk(Path(root, "bee", "003.png"))
    data = ImageFolder(root, image_size=8, reading=FileReading(num_workers=num_workers), val_size=0, test_size=0)
    data.setup("fit")
    own = data.train_dataloader()
    any_loader = DataLoader(
        own.dataset, batch_size=4, num_workers=num_workers, persistent_workers=persistent, collate_fn=as_is
    )
    for loader in (own, any_loader):
        with pytest.raises(
            PictureError, match=r"^`root` must hold readable pictures only, .*bee/003.png.*\.$"
        ) as caught:
            list(loader)
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")
def test_the_command_says_one_sentence_of_a_picture_that_a_worker_cannot_decode(root, tmp_path, capfd, monkeypatch):
    broken_chunk(Path(root, "bee", "003.png"))
    monkeypatch.setattr("sys.argv", ["sparsefront"])
    args = ["--data", "ImageFolder", "--data.root", root, "--data.image_size", "16", "--data.reading.num_workers", "1"]
    args += ["--data.val_size", "0", "--data.test_size", "0", "--run_dir", str(tmp_path / "run")]
    args += ["--trainer.accelerator", "cpu", "--trainer.max_epochs", "1", "--trainer.enable_progress_bar", "false"]
    with pytest.raises(SystemExit) as refused:
        main(["fit", *args, "--model.classifier", "ConvNet"])
    assert refused.value.code == 2
    said = capfd.readouterr()
    assert "Traceback" not in said.err + said.out
    assert "sparsefront: error: `root` must hold readable pictures only, found '" in said.err
    assert "bee/003.png" in said.err


def test_all_bad_files_are_listed_the_first_ten_by_name(root):
    bad = [Path(root, name, f"{number:03}.png") for name in ("ant", "bee") for number in range(6)]
    for number, path in enumerate(bad):
        [text_bomb, pipe, postscript, bomb][number % 4](path)
    with pytest.raises(ValueError, match=r"There are 12 such files among 16, .* and 2 more\.$") as caught:
        ImageFolder(root, image_size=8).setup("fit")
    assert all(str(path) in str(caught.value) for path in bad[:10])
    assert not any(str(path) in str(caught.value) for path in bad[10:])


def test_all_files_that_cannot_be_decoded_are_listed_in_memory(root):
    bad = [Path(root, "ant", "001.png"), Path(root, "bee", "007.png"), Path(root, "bee", "002.png")]
    for path in bad:
        broken_chunk(path)
    with pytest.raises(ValueError, match=r"ant/001.*There are 3 such files among 16, the others are .*002.*007"):
        ImageFolder(root, image_size=8, reading=FileReading(in_memory=True)).setup("fit")


def test_a_bad_first_file_is_listed_with_the_others_where_sizes_are_read_from_files(root):
    for name in ("ant/000.png", "bee/000.png"):
        postscript(Path(root, name))
    data = ImageFolder(root)
    assert data.image_shape == (3, 16, 24)
    with pytest.raises(ValueError, match=r"ant/000.png.* 2 such files .*bee/000.png"):
        data.setup("fit")


def test_a_name_cannot_write_to_the_terminal_or_break_the_line(make_tree):
    root = make_tree({"": {"ant": 2, "bee": 2}})
    Path(root, "ant", "a\n\x1b[31mred\udcff.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a\\n\\x1b\[31mred\\udcff.png") as caught:
        ImageFolder(root, image_size=8).setup("fit")
    assert str(caught.value).isprintable()


def refusal(checked, path):
    try:
        checked(path)
    except PictureError as error:
        return str(error)


@pytest.mark.parametrize("checked", [check_header, lambda path: decode(path, 3)])
@given(data=st.data())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore")  # what Pillow says of damage that it can live with
def test_bytes_of_any_kind_are_a_picture_or_one_sentence(checked, data):
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "GIF"]))
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(file, kind)
    content = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.png")
        path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
        said = refusal(checked, str(path))
        assert said is None or (str(path) in said and "\n" not in said)
