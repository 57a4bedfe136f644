"""Read one picture file."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from PIL import Image, UnidentifiedImageError

from sparsefront.data.files.orientation import upright, upright_size
from sparsefront.data.files.picture_error import PictureError, shown

# What Pillow decodes by itself: of other kinds some are handed to other programs (EPS to Ghostscript).
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM", "GIF", "AVIF")
MODES = {1: "L", 3: "RGB"}
DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
TAIL = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
TAIL_BYTES = 64


def decode(path: str, channels: Literal[1, 3]) -> Image.Image:
    """Decode a picture to 8 bits a channel, upright as its EXIF orientation says.

    Args:
        path: the file.
        channels: 1 for gray, 3 for RGB; others are converted, and transparency is dropped.

    Returns:
        The decoded image, of mode "L" or "RGB".

    Raises:
        PictureError: the file cannot be read, is no ordinary file, is not a picture, is cut short, has more pixels than
            Pillow takes for safe, or more than 8 bits a channel.
    """
    with _opened(path) as image:
        image.load()
        turned = upright(image)
        if turned.mode == "P" and "transparency" in turned.info:
            turned = turned.convert("RGBA")  # Pillow warns about the direct way
        return turned.convert(MODES[channels])


def check_header(path: str) -> tuple[int, int]:
    """Check that a file is a whole picture, without decoding it as a rule.

    Reads the header, and for JPEG and PNG whether the end mark is among the last 64 bytes; only a file without it is
    decoded, to be sure. Damage inside a file is found when it is decoded.

    Args:
        path: the file.

    Returns:
        Its (H, W) in pixels, upright.

    Raises:
        PictureError: see `decode`.
    """
    with _opened(path) as image:
        size = upright_size(image, path)
        if not _ends_well(path, image.format):
            image.load()
        return size


@contextmanager
def _opened(path: str) -> Iterator[Image.Image]:
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):  # opening a named pipe would wait for ever, and a device may have no end
            raise PictureError(
                f"`root` must hold pictures in ordinary files, found {shown(path)}, which is {_kind(mode)}; replace or"
                " delete it."
            )
        with Image.open(path, formats=FORMATS) as image:
            _refuse_deep(image, path)
            yield image
    except PictureError:
        raise
    except Exception as error:  # damaged files make decoders raise errors of any kind
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: Exception) -> PictureError:
    """The error for a file that is no whole picture."""
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, UnidentifiedImageError):
        reason = f"no picture of a kind that is read: {', '.join(FORMATS)}"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    return PictureError(
        f"`root` must hold readable pictures only, found {shown(path)} ({reason}); replace or delete that file."
    )


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFDIR: "a folder",
    }
    return kinds.get(stat.S_IFMT(mode), "none")


def _ends_well(path: str, kind: str | None) -> bool:
    mark = TAIL.get(kind or "", b"")
    with Path(path).open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
        return mark in file.read()


def _refuse_deep(image: Image.Image, path: str) -> None:
    if image.mode in DEEP_MODES:  # Pillow would clip them to 255 without a word
        raise PictureError(
            f"`root` must hold pictures of 8 bits a channel, found {shown(path)} of mode {image.mode};"
            " convert that file to 8 bits."
        )
