"""What the parameters of a class are annotated with."""

import inspect
import types
import typing
from dataclasses import is_dataclass
from typing import Any, Union


def annotations_of(owner: Any) -> dict[str, Any]:
    """Annotations of a function's or constructor's parameters; of those that it hands on, the base classes'.

    Args:
        owner: a function or a class.

    Returns:
        By name; a class whose annotations are texts that mean nothing here adds none.
    """
    annotations: dict[str, Any] = {}
    for kind in reversed(inspect.getmro(owner)) if isinstance(owner, type) else [owner]:
        constructor = kind.__dict__.get("__init__") if isinstance(kind, type) else kind
        try:
            annotations |= typing.get_type_hints(constructor) if constructor else {}
        except (NameError, TypeError, AttributeError):
            continue
    return annotations


def settings_group_of(annotation: Any) -> type | None:
    """The dataclass that groups settings under one name, where an annotation is one, or one or null; else None."""
    union = typing.get_origin(annotation) in (Union, types.UnionType)
    options = typing.get_args(annotation) if union else (annotation,)
    groups = [option for option in options if isinstance(option, type) and is_dataclass(option)]
    return groups[0] if len(groups) == 1 and set(options) <= {groups[0], type(None)} else None
