"""The settings of an attack or a view."""

from typing import Any

from torch import Tensor

from sparsefront.attacks import Attack, View


def settings_of(part: Attack | View) -> dict[str, Any]:
    """`class_path` and `init_args` of an attack or a view, and of those inside it.

    Tensors, which a fitted attack has learned, and private attributes are no settings.
    """
    settings = {name: value for name, value in vars(part).items() if not name.startswith("_")}
    return {
        "class_path": type(part).__name__,
        "init_args": {
            name: settings_of(value) if isinstance(value, Attack | View) else value
            for name, value in settings.items()
            if not isinstance(value, Tensor)
        },
    }
