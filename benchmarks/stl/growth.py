"""How the cost of an image grows with its pixels."""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from benchmarks.contest import Contest, Goal
from benchmarks.stl.inputs import LARGE, SMALL, Inputs

NUMBER = 4


def contests(inputs: Inputs, sides: Sequence[int]) -> Iterator[Contest]:
    """The middle of pictures of 224x224, whole and cut into tiles of 32x32: the same pixels and the same filters.

    Where the cost of an image grows as its pixels times their logarithm, the whole costs log(pixels of the whole) /
    log(pixels of a tile) times what the tiles do together; so much is asked.
    """
    frontend = inputs.frontend(LARGE, 1)
    for side in sides:
        if side == SMALL:
            continue
        whole = middle(inputs.coded(LARGE, NUMBER), side - side % SMALL)
        parts = tiles(whole, SMALL)
        names = f"{whole.shape[-1]}x{whole.shape[-2]}", f"the same pixels in {len(parts)} of {SMALL}x{SMALL}"
        run = torch.no_grad()(frontend)
        yield Contest(
            path="growth",
            setting=f"STL, 64 filters 8x8x3, {NUMBER} images of {names[0]}",
            signals=NUMBER,
            unit="images",
            runs={names[0]: partial(run, whole), names[1]: partial(run, parts)},
            goals=[Goal(*names, round(math.log(SMALL) / math.log(whole.shape[-1]), 3))],
            rounds=3,
        )


def middle(images: Tensor, side: int) -> Tensor:
    """The square of this side in the middle of (N, C, H, W) images."""
    top, left = ((extent - side) // 2 for extent in images.shape[2:])
    return images[..., top : top + side, left : left + side]


def tiles(images: Tensor, side: int) -> Tensor:
    """Images (N, C, H, W) cut into squares without overlap, (N H W / side^2, C, side, side)."""
    cut = images.unfold(2, side, side).unfold(3, side, side)  # (N, C, rows, columns, side, side)
    return cut.permute(0, 2, 3, 1, 4, 5).flatten(0, 2).contiguous()
