"""Which way up a picture is."""

from pathlib import Path

from PIL import ExifTags, Image

# EXIF 2.32, tag 0x0112: what the stored rows and columns are, and so what shows the picture as it was taken.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LATE = (b"eXIf", b"Raw profile type", b"com.adobe.xmp")


def upright(image: Image.Image) -> Image.Image:
    """Turn a decoded picture as cameras, phones and viewers show it.

    Args:
        image: loaded already: TIFF files are turned by Pillow then, and PNG files may say it after their pixels.

    Returns:
        The picture, turned where its EXIF orientation asks for it.
    """
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def upright_size(image: Image.Image, path: str) -> tuple[int, int]:
    """Size that a picture has when it is upright, without decoding it as a rule.

    Args:
        image: opened and not yet loaded.
        path: its file.

    Returns:
        (H, W) in pixels.
    """
    size = image.height, image.width
    if size[0] == size[1] or image.format == "TIFF":  # of which Pillow gives the turned size at once
        return size
    if image.format == "PNG" and "exif" not in image.info:
        if not any(mark in Path(path).read_bytes() for mark in _LATE):
            return size
        image.load()
    return size[::-1] if _orientation(image) >= 5 else size


def _orientation(image: Image.Image) -> int:
    """1 to 8; 1 where nothing is said, or nothing that can be read, as viewers have it."""
    try:
        stored = image.getexif().get(ExifTags.Base.Orientation)
        return int(stored) if stored in _TURNS else 1
    except Exception:  # damaged metadata; the parser's errors are of many kinds
        return 1
