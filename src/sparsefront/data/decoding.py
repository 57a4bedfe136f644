"""Read one picture file."""

from pathlib import Path
from typing import Literal

from PIL import Image

MODES = {1: "L", 3: "RGB"}
DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
TAIL = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
TAIL_BYTES = 64


def decode(path: str, channels: Literal[1, 3]) -> Image.Image:
    """Decode a picture to 8 bits a channel.

    Args:
        path: the file.
        channels: 1 for gray, 3 for RGB; others are converted, and transparency is dropped.

    Returns:
        The decoded image, of mode "L" or "RGB".

    Raises:
        ValueError: the file cannot be read, is not a picture, is cut short, or has more than 8 bits a channel.
    """
    try:
        with Image.open(path) as image:
            _refuse_deep(image, path)
            if image.mode == "P" and "transparency" in image.info:
                return image.convert("RGBA").convert(MODES[channels])  # Pillow warns about the direct way
            return image.convert(MODES[channels])
    except (OSError, SyntaxError, EOFError) as error:
        raise unreadable(path, error) from error


def check_header(path: str) -> tuple[int, int]:
    """Check that a file is a whole picture, without decoding it as a rule.

    Reads the header, and for JPEG and PNG whether the end mark is among the last 64 bytes; only a file without it is
    decoded, to be sure. Damage inside a file is found when it is decoded.

    Args:
        path: the file.

    Returns:
        Its (H, W) in pixels.

    Raises:
        ValueError: see `decode`.
    """
    try:
        with Image.open(path) as image:
            _refuse_deep(image, path)
            if not _ends_well(path, image.format):
                image.load()
            return image.height, image.width
    except (OSError, SyntaxError, EOFError) as error:
        raise unreadable(path, error) from error


def unreadable(path: str, error: Exception) -> ValueError:
    """The error for a file that is no whole picture.

    Args:
        path: the file.
        error: what its decoder said.

    Returns:
        An error that names the file.
    """
    return ValueError(
        f"`root` must hold readable pictures only, found '{path}' ({' '.join(str(error).split())});"
        " replace or delete that file."
    )


def _ends_well(path: str, kind: str | None) -> bool:
    mark = TAIL.get(kind or "", b"")
    with Path(path).open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
        return mark in file.read()


def _refuse_deep(image: Image.Image, path: str) -> None:
    if image.mode in DEEP_MODES:  # Pillow would clip them to 255 without a word
        raise ValueError(
            f"`root` must hold pictures of 8 bits a channel, found '{path}' of mode {image.mode};"
            " convert that file to 8 bits."
        )
