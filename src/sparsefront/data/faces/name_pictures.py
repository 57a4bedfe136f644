"""Names as pictures."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from sparsefront.data.loading.progress import progress

SHAPE = (1, 16, 128)
SMALLEST = 4  # below, letters are no letters any more
LARGEST = 20  # paper 003 renders 20 point Arial; Pillow's sizes are pixels, which at 72 dots an inch are points


def check_font(path: str | None) -> None:
    """Refuse what is no font.

    Args:
        path: a .ttf file; None for the font that comes with Pillow.

    Raises:
        ValueError: no font at `path`.
    """
    try:
        if path is not None and Path(path).exists() and not Path(path).is_file():  # a named pipe would be waited for
            raise OSError("which is no ordinary file")
        _font(path, LARGEST)
    except OSError as error:
        raise ValueError(
            f"`font` must name a .ttf file, found '{path}' ({error}); write null for the font that comes with Pillow."
        ) from error


def name_pictures(names: Sequence[str], font: str | None = None) -> Tensor:
    """Render names, each as large as fits, from 4 to 20 pixels, in the middle of its picture.

    White on black: what is nowhere written is 0, so that sparse codes spend their atoms on letters, not on paper, and
    an empty picture says nothing.

    Args:
        names: P folder names; an underscore is a blank.
        font: a .ttf file; None for the font that comes with Pillow.

    Returns:
        (P, 1, 16, 128) uint8 pixels, all different.

    Raises:
        ValueError: a name that fits in none of these sizes, or two that look the same.
    """
    pictures = np.stack([_picture(name, font) for name in progress(names, "rendering names", len(names))])
    rows = pictures.reshape(len(names), -1)
    _, first, groups = np.unique(rows.view(f"V{rows.shape[1]}").ravel(), return_index=True, return_inverse=True)
    same = np.flatnonzero(first[groups] != np.arange(len(names)))
    if len(same):
        first_name, second_name = names[first[groups[same[0]]]], names[same[0]]
        raise ValueError(
            f"`font` must draw each name differently, found '{first_name}' and '{second_name}' alike; name a .ttf file"
            " that has their letters, rename a folder, or write names: false."
        )
    return torch.from_numpy(pictures)[:, None]


def _picture(name: str, font: str | None) -> np.ndarray:
    _, height, width = SHAPE
    text = " ".join(name.replace("_", " ").split())
    for size in range(LARGEST, SMALLEST - 1, -1):
        left, top, right, bottom = _font(font, size).getbbox(text)
        if right - left <= width and bottom - top <= height:
            picture = Image.new("L", (width, height), 0)
            at = (width - right + left) // 2 - left, (height - bottom + top) // 2 - top
            ImageDraw.Draw(picture).text(at, text, fill=255, font=_font(font, size))
            return np.asarray(picture)
    raise ValueError(
        f"`names` needs names that fit in {width}x{height} pixels, found '{name}', which would need letters below"
        f" {SMALLEST} pixels; shorten that folder's name, or write names: false."
    )


@cache
def _font(path: str | None, size: int) -> ImageFont.FreeTypeFont:
    if path is None:
        return ImageFont.load_default(size)  # type: ignore[return-value]  # with a size it is never the bitmap font
    # Not the layout engine that a machine happens to have: a name must look the same everywhere.
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
