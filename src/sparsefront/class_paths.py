"""One path for a class that can be imported from several modules."""

import importlib
import sys
from typing import Any

_OWN = ("attacks", "classifiers", "frontends", "sparsecode", "sparsefront")
_KNOWN = (*_OWN, "torch")


def full_class_path(path: Any) -> str:
    """The path of the module that defines a class, as far as it is known.

    Two classes of one name are two, also in one package; one class that a package hands on is one. Nothing is imported
    but this project and torch: what another package hands on is known where the package is in use. Within the project,
    where a name stands for one class, it is known when the module that defines it has moved, too.

    Args:
        path: dotted, e.g. "torch.optim.Adam".

    Returns:
        E.g. "torch.optim.adam.Adam"; `path` where nothing of that name is found.
    """
    module, _, name = str(path).rpartition(".")
    first = module.split(".")[0]
    if first in _KNOWN:
        importlib.import_module(first)
    parts = module.split(".")
    homes = [".".join(parts[:count]) for count in range(len(parts), 0, -1)] if first in _OWN else [module]
    for home in homes:
        found = getattr(sys.modules.get(home), name, None)
        defined, qualified = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
        if callable(found) and isinstance(defined, str) and isinstance(qualified, str):
            return f"{defined}.{qualified}"
    return str(path)
