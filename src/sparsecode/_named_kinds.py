"""Numbers and switches are looked at before a coder uses them: what is neither is named."""

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any, TypeVar, get_args

Function = TypeVar("Function", bound=Callable[..., Any])
WORDS: dict[Any, str] = {int: "an integer", float: "a number", bool: "true or false"}


def named_kinds(function: Function) -> Function:
    """Have a function or a constructor refuse what its annotations `int`, `float` and `bool` do not admit.

    Integers may be NumPy's, numbers may be tensors; true and false are neither. Whatever else is annotated is left to
    the function.

    Raises:
        ValueError: such an argument; the message names it.
    """
    kinds = {
        name: kind for name, one in inspect.signature(function).parameters.items() if (kind := _plain(one.annotation))
    }
    names = list(inspect.signature(function).parameters)

    @functools.wraps(function)
    def checking(*args: Any, **kwargs: Any) -> Any:
        for name, value in (*zip(names, args, strict=False), *kwargs.items()):
            if name in kinds:
                check_number(value, name, *kinds[name])
        return function(*args, **kwargs)

    return checking  # type: ignore[return-value]


def _plain(annotation: Any) -> tuple[Any, bool] | None:
    """The number or switch that an annotation stands for, and whether it may be None."""
    options = get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    kinds = [option for option in options if option is not types.NoneType]
    return (kinds[0], len(options) > 1) if len(kinds) == 1 and kinds[0] in WORDS else None


def check_number(value: Any, name: str, kind: Any, optional: bool = False) -> None:
    """Raise a ValueError that names a value which is not of a kind of `WORDS`; None will do where it is optional."""
    if not (value is None and optional) and not _is(value, kind):
        text = " ".join(repr(value).split())
        raise ValueError(f"`{name}` must be {WORDS[kind]}, found {text[:80]}.")


def _is(value: Any, kind: Any) -> bool:
    if kind is bool:
        return isinstance(value, bool)
    if isinstance(value, bool | type) or not hasattr(value, "__float__"):
        return False
    if isinstance(value, int) or kind is int:
        return hasattr(value, "__index__") and -(2**63) <= value.__index__() < 2**63
    return True
