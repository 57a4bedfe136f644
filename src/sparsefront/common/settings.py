"""Settings are looked at before a constructor uses them: what cannot be of its kind is named."""

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from sparsefront.common.kinds import kind_of
from sparsefront.common.pixel_size import holds_sizes, with_sizes_read
from sparsefront.common.refusals import refusals_by
from sparsefront.common.shown import shown

Class = TypeVar("Class", bound=type)


class CheckedSettings:
    """A class, and all that inherit from it, whose constructors are only run on settings of the kinds they annotate.

    A dataclass is looked at after its fields are set and before its own `__post_init__`; its fields annotated
    `PixelSize` are floats from then on. What a class says about ranges stays its own; that a number is one, and finite,
    is said here.

    Raises:
        ValueError: a setting of another kind, or one that asks for more memory than there is. It carries the class
            that refused, as does what a constructor raises (`part_that_refused`).
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        checked_settings(cls)


def checked_settings(kind: Class) -> Class:
    """Have a class's own constructor look at its settings first, as in `CheckedSettings`."""
    own: dict[str, Any] = dict(vars(kind))
    if "__post_init__" in own:
        kind.__post_init__ = _with_fields(own["__post_init__"])  # type: ignore[attr-defined]
    elif "__init__" in own:
        kind.__init__ = _with_arguments(own["__init__"])  # type: ignore[misc]
    return kind


def check_kinds(owner: Any, settings: Mapping[str, Any]) -> None:
    """Raise a ValueError that names the first setting which is not of the kind that `owner` annotates.

    Args:
        owner: a class with annotated fields, or a function with annotated arguments.
        settings: by name.
    """
    hints = _hints(owner)
    for name, value in settings.items():
        kind = kind_of(hints[name]) if name in hints else None
        if kind is not None and not kind.admits(value):
            raise ValueError(f"`{name}` must be {kind.words}, found {shown(value)}{_mend(value)}.")


def _mend(value: object) -> str:
    if isinstance(value, type):
        return f"; write {value.__name__}(...), an object of it"
    if callable(value) and not inspect.isroutine(value):
        return "; it is built already, and the sizes are known later: write `lambda *sizes: it` in its place"
    return ""


@functools.cache
def _hints(owner: Any, *, include_extras: bool = False) -> dict[str, Any]:
    try:
        return get_type_hints(owner, include_extras=include_extras)
    except (NameError, TypeError, AttributeError):  # a class of the user's whose annotations name what is not there
        return {}


@functools.cache
def _sizes(owner: Any) -> dict[str, Any]:
    """The annotations of a dataclass's own settings that are sizes in pixel units, by name."""
    hints = _hints(owner, include_extras=True)
    settings = (field.name for field in fields(owner) if field.init and field.name in hints)
    return {name: hints[name] for name in settings if holds_sizes(hints[name])}


def _with_fields(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def looking_first(self: Any, *args: Any) -> None:
        if type(self).__post_init__ is not looking_first or not is_dataclass(self):
            original(self, *args)  # the class that inherits from this one has looked
            return
        settings = {field.name: getattr(self, field.name) for field in fields(self) if field.init}
        kind: Any = type(self)

        def build() -> None:
            for name, annotation in _sizes(kind).items():
                object.__setattr__(self, name, with_sizes_read(annotation, settings[name], name))
            original(self, *args)

        with refusals_by(kind):
            _build(kind, settings, build)

    return looking_first


def _with_arguments(original: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(original)
    open_ended = {p.name for p in signature.parameters.values() if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}

    @functools.wraps(original)
    def looking_first(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            given = signature.bind_partial(self, *args, **kwargs).arguments
        except TypeError:
            original(self, *args, **kwargs)  # Python names the argument
            return
        settings = {name: value for name, value in given.items() if value is not self and name not in open_ended}
        with refusals_by(type(self)):
            _build(original, settings, lambda: original(self, *args, **kwargs))

    return looking_first


def _build(owner: Any, settings: dict[str, Any], build: Callable[[], None]) -> None:
    check_kinds(owner, settings)
    try:
        build()
    except (MemoryError, OverflowError, RuntimeError) as error:
        _explain_size(settings, error)
        raise
    for name, value in settings.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"`{name}` must be a finite number, found {value}.")


def _explain_size(settings: Mapping[str, Any], error: Exception) -> None:
    """Name the largest of the sizes where memory, or the numbers that count it, did not reach."""
    words = ("allocate", "overflow", "too large", "out of memory", "cannot fit", "index-sized")
    sizes = {name: value for name, value in settings.items() if type(value) is int}
    if sizes and (isinstance(error, MemoryError | OverflowError) or any(word in str(error) for word in words)):
        name = max(sizes, key=lambda name: sizes[name])
        raise ValueError(
            f"`{name}` must be a size that memory can hold, found {sizes[name]} among {shown(sizes)}; lower it."
        ) from error
