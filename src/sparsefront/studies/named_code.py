"""The code that settings name."""

import importlib
from typing import Any

from sparsefront.common.source_code import is_installed, statements_of
from sparsefront.studies.system import strings

_ROOMS = ("sparsefront.frontends", "sparsefront.classifiers", "sparsefront.attacks")


def code_of(settings: Any) -> dict[str, str]:
    """The beginning of a digest of the statements of each module that the classes named in settings compute with.

    Comments and docstrings do not count, nor does what is installed, nor how this project starts and shows runs.

    Args:
        settings: nested, or a list of words; classes by their paths, the project's own also by their names.

    Returns:
        By the name of the module.
    """
    words = dict.fromkeys(text.rpartition("=")[2] for text in strings(settings))
    paths = [word for word in words if word.replace(".", "").isidentifier()]
    kinds = {kind for path in paths if (kind := _class_called(path)) is not None}
    return {name: digest[:12] for name, digest in statements_of(kinds).items()}


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
