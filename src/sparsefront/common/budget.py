"""The ball that an attack keeps to."""

from typing import NamedTuple


class Budget(NamedTuple):
    """A ball around each image.

    Attributes:
        norm: `Linf`, `L2` or `L1`.
        size: its radius, in [0, 1] pixel units.
        relative: whether `size` is a multiple of the image's own norm ||x||.
    """

    norm: str
    size: float
    relative: bool = False
