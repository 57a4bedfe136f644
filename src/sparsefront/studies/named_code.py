"""The code that settings name."""

import importlib
from collections.abc import Iterator
from typing import Any

from sparsefront.common.source_code import is_installed, statements_of

_ROOMS = ("sparsefront.frontends", "sparsefront.classifiers", "sparsefront.attacks")


def code_of(settings: Any) -> dict[str, str]:
    """The beginning of a digest of the statements of each module that the classes named in settings compute with.

    Comments and docstrings do not count, nor does what is installed, nor how this project starts and shows runs.

    Args:
        settings: nested, or a list of words; classes by their paths, the project's own also by their names.

    Returns:
        By the name of the module.
    """
    kinds = {kind for path in dict.fromkeys(_words(settings)) if (kind := _class_called(path)) is not None}
    return {name: digest[:12] for name, digest in statements_of(kinds).items()}


def _words(value: Any) -> Iterator[str]:
    """All texts that may be the name of a class."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _words(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _words(inner)
    elif isinstance(value, str) and (path := value.rpartition("=")[2]).replace(".", "").isidentifier():
        yield path


def _class_called(path: str) -> type | None:
    module, _, name = path.rpartition(".")
    if module and is_installed(module.split(".")[0]):
        return None
    for home in (module,) if module else _ROOMS:
        try:
            kind = getattr(importlib.import_module(home), name, None)
        except Exception:  # whatever a module of the user's does; the command itself says so
            continue
        if isinstance(kind, type):
            return kind
    return None
