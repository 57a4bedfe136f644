"""One path for a class that can be imported from several modules."""

import importlib
import sys
from typing import Any

_OWN = ("sparsefront.attacks", "sparsefront.classifiers", "sparsefront.frontends", "sparsecode")


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
    parts = module.split(".")
    own = next((name for name in _OWN if f"{module}.".startswith(f"{name}.")), None)
    if own or parts[0] == "torch":
        importlib.import_module(own or "torch")
    homes = [".".join(parts[:count]) for count in range(len(parts), 0, -1)] if own else [module]
    for home in homes:
        found = getattr(sys.modules.get(home), name, None)
        defined, qualified = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
        if callable(found) and isinstance(defined, str) and isinstance(qualified, str):
            return f"{defined}.{qualified}"
    return str(path)
