"""Sizes in pixel units of [0, 1], written as numbers or as fractions such as 8/255."""

import inspect
from collections.abc import Sequence
from typing import Annotated, Any, get_args, get_origin

from sparsefront.common.rules import fraction

PixelSize = Annotated[float | str, "a size in pixel units"]
"""The annotation of a setting that may be written 0.03 or "8/255" and is a float once its owner is built.

`CheckedSettings` reads such fields of a dataclass, also `PixelSize | None` and `Sequence[PixelSize]`, at construction.
"""


def pixel_size(value: float | str, name: str) -> float:
    """Read a size such as 0.03 or "8/255".

    Args:
        value: as it is written.
        name: of the setting, for the sentence.

    Raises:
        ValueError: it is neither, negative or not finite.
    """
    size = float(fraction(value, name))
    if size < 0:
        raise ValueError(f"`{name}` must be >= 0, found {value}; write it in pixel units of [0, 1], e.g. 8/255.")
    return size


def holds_sizes(annotation: Any) -> bool:
    """Whether an annotation is `PixelSize`, `PixelSize | None` or `Sequence[PixelSize]`."""
    return annotation == PixelSize or PixelSize in get_args(annotation)


def with_sizes_read(annotation: Any, value: Any, name: str) -> Any:
    """A setting's value with the sizes in it as floats.

    Args:
        annotation: one that `holds_sizes`.
        value: as it is written: a size, a list of them, or None where the annotation allows it.
        name: of the setting, for the sentence.

    Raises:
        ValueError: as `pixel_size`.
    """
    origin = get_origin(annotation)
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return tuple(pixel_size(entry, name) for entry in value)
    if value is None and annotation != PixelSize:
        return None
    return pixel_size(value, name)
