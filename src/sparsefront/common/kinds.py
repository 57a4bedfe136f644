"""What an annotation admits, in plain words."""

import inspect
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, Union, get_args, get_origin


@dataclass(frozen=True)
class Kind:
    """A kind of value: its words, as in "must be an integer", and whether a value is of it."""

    words: str
    admits: Callable[[Any], bool]


def kind_of(annotation: Any) -> Kind | None:
    """The kind of value that an annotation stands for; None where it leaves everything open or says what is not known.

    Numbers may be NumPy's or one-element tensors, lists may be tuples and paths may be text, as Python would take them;
    true and false are no numbers.
    """
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return Kind(f"one of {', '.join(map(str, args))}", lambda value: _among(value, args))
    if origin in (Union, types.UnionType):
        return _any_of(args)
    if origin is tuple and args[-1:] != (...,):
        return _tuple_of(args)
    if origin is Callable:
        return _maker_of(args[-1] if args else Any)
    if origin is dict:
        return Kind("a mapping", lambda value: isinstance(value, Mapping))
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return _list_of(kind_of(args[0]))
    if inspect.isclass(annotation) and annotation.__module__ != "builtins" and not _is_protocol(annotation):
        name = annotation.__name__
        article = "an" if name[0] in "AEIOU" else "a"
        return Kind(f"{article} {name}", lambda value: isinstance(value, annotation))
    return None


def _integer(value: Any) -> bool:
    whole = hasattr(value, "__index__") and not isinstance(value, bool | type)
    return whole and -(2**63) <= value.__index__() < 2**63


def _number(value: Any) -> bool:
    if isinstance(value, bool | type) or not hasattr(value, "__float__"):
        return False
    return _integer(value) or not isinstance(value, Integral)


_PLAIN: dict[Any, Kind] = {
    int: Kind("an integer", _integer),
    float: Kind("a number", _number),
    bool: Kind("true or false", lambda value: isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")),
    str: Kind("text", lambda value: isinstance(value, str | os.PathLike)),
    type(None): Kind("null", lambda value: value is None),
}


def _among(value: Any, choices: tuple[Any, ...]) -> bool:
    return any(type(value) is type(choice) and value == choice for choice in choices)


def _any_of(args: tuple[Any, ...]) -> Kind | None:
    if float in args and any(arg is str or get_origin(arg) is Literal for arg in args):
        return None  # a number, or some text in its place: whoever reads it knows which
    kinds = [kind_of(arg) for arg in args]
    known = [kind for kind in kinds if kind is not None]
    if len(known) < len(kinds):
        return None
    # That null may be written is no rule that is broken, and a number may always be an integer.
    words = [
        kind.words for kind in known if kind.words != "null" and not (kind.words == "an integer" and float in args)
    ]
    return Kind(" or ".join(words), lambda value: any(kind.admits(value) for kind in known))


def _is_list_like(value: Any) -> bool:
    return hasattr(value, "__len__") and isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _list_of(kind: Kind | None) -> Kind:
    if kind is _PLAIN[int]:
        kind = _PLAIN[float]  # numbers are lists' only kind here; which ones, each class says of all at once
    words = "a list" if kind is None else f"a list, each entry {kind.words}"
    return Kind(words, lambda value: _is_list_like(value) and (kind is None or all(map(kind.admits, value))))


def _tuple_of(args: tuple[Any, ...]) -> Kind:
    kinds = [kind_of(arg) for arg in args]
    each = kinds[0].words if kinds and kinds[0] else "of its kind"
    return Kind(
        f"a list of {len(args)}, each {each}",
        lambda value: (
            _is_list_like(value)
            and len(value) == len(args)
            and all(kind is None or kind.admits(entry) for kind, entry in zip(kinds, value, strict=True))
        ),
    )


def _maker_of(made: Any) -> Kind:
    name = getattr(made, "__name__", None) if inspect.isclass(made) else None
    words = f"a class, or a function that returns a {name}" if name else "a function"

    def admits(value: Any) -> bool:
        return callable(value) and not (inspect.isclass(made) and isinstance(value, made))

    return Kind(words, admits)


def _is_protocol(annotation: Any) -> bool:
    return bool(getattr(annotation, "_is_protocol", False))
