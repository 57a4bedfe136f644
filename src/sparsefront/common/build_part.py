"""Parts that are named as classes and built once the sizes are known."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sparsefront.common.shown import shown


def build_part(name: str, builder: Callable[..., Any], sizes: Mapping[str, Any], kind: type[Any]) -> Any:
    """Build a part, or say what its class lacks.

    Args:
        name: the setting that names it, e.g. `classifier`.
        builder: a class or a function whose first arguments are the sizes, or such a class with its other settings.
        sizes: by the names that the field gives them; they are handed over in this order.
        kind: what is to come out.

    Raises:
        ValueError: it takes other arguments, fails, or returns something else; or what the part itself refuses.
        FileNotFoundError: what the part itself refuses.
    """
    maker, settings = _maker(builder)
    called, wanted = getattr(maker, "__name__", type(maker).__name__), ", ".join(sizes)
    _check_arguments(name, maker, settings, sizes)
    try:
        part = builder(*sizes.values())
    except (ValueError, FileNotFoundError):
        raise
    except Exception as error:
        given = ", ".join(f"{size}={value}" for size, value in sizes.items())
        raise ValueError(
            f"`{name}` {called} must be built from ({wanted}), found that {called}({given}) fails with "
            f"{type(error).__name__}: {_one_line(error)}; its first arguments must be these sizes."
        ) from error
    if not isinstance(part, kind):
        raise ValueError(
            f"`{name}` must build a {kind.__name__}, found {called}, which returns {shown(part)}; name another class."
        )
    return part


def _maker(builder: Callable[..., Any]) -> tuple[Callable[..., Any], Mapping[str, Any]]:
    """The class or function, and the settings that it has already; the command line hands over both in a partial."""
    if not isinstance(builder, partial):
        return builder, {}
    inner = next((one for one in builder.args if inspect.isclass(one)), builder.func)
    return inner, builder.keywords


def _check_arguments(name: str, maker: Any, settings: Mapping[str, Any], sizes: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(maker)
    except ValueError:  # a class written in C says nothing
        return
    try:
        signature.bind(*sizes.values(), **settings)
    except TypeError as error:
        called, wanted = getattr(maker, "__name__", type(maker).__name__), ", ".join(sizes)
        taken = ", ".join(signature.parameters)
        raise ValueError(
            f"`{name}` {called} must take ({wanted}) as its first arguments, found {called}({taken}): {error}; write "
            f"`def __init__(self, {wanted})`, the data's sizes are handed over in this order."
        ) from None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:197]}..."
