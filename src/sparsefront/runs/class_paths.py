"""One path for a class that can be imported from several modules."""

import importlib
import sys
from typing import Any

_OWN = ("sparsefront.attacks", "sparsefront.classifiers", "sparsefront.frontends", "sparsecode")


def named_class(path: Any) -> Any:
    """What goes by a dotted name, as far as it is known; else None.

    Nothing is imported but this project and torch: what another package hands on is known where the package is in use.
    Within the project, where a name stands for one class, it is found when the module that defines it has moved, too.

    Args:
        path: e.g. "torch.optim.Adam".
    """
    module, _, name = str(path).rpartition(".")
    parts = module.split(".")
    own = next((name for name in _OWN if f"{module}.".startswith(f"{name}.")), None)
    if own or parts[0] == "torch":
        importlib.import_module(own or "torch")
    homes = [".".join(parts[:count]) for count in range(len(parts), 0, -1)] if own else [module]
    kinds = (getattr(sys.modules.get(home), name, None) for home in homes)
    return next((kind for kind in kinds if callable(kind) and _defined_in(kind)), None)


def full_class_path(path: Any) -> str:
    """The path of the module that defines a class, as far as it is known (see `named_class`).

    Two classes of one name are two, also in one package; one class that a package hands on is one.

    Args:
        path: dotted, e.g. "torch.optim.Adam".

    Returns:
        E.g. "torch.optim.adam.Adam"; `path` where nothing of that name is found.
    """
    kind = named_class(path)
    return str(path) if kind is None else f"{kind.__module__}.{kind.__qualname__}"


def _defined_in(kind: Any) -> bool:
    """Whether it says where it is defined."""
    return all(isinstance(getattr(kind, name, None), str) for name in ("__module__", "__qualname__"))
