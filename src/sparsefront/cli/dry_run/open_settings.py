"""What may be built where a parameter is annotated with nothing, `Any`, `object` or a bare `Callable`."""

import sys
import sysconfig
import typing
from pathlib import Path
from typing import Any

from torch import nn

from sparsefront.common.source_code import is_installed

_KNOWN = (
    "torch.nn", "torch.optim", "torch.distributions", "timm", "kornia",
    "sparsefront", "sparsecode",
)  # fmt: skip
"""Not all of torch: some of its classes start processes."""
OPEN = "a torch Module, a class of the project, of torch.nn, torch.optim, timm or kornia, or one of a module of yours"
"""In words, for a sentence."""


def is_open(option: Any) -> bool:
    """Whether an annotation says nothing of the class of what is wanted."""
    return option is Any or option is object or getattr(option, "_is_protocol", False)


def may_be_built(named: Any) -> bool:
    """Whether an open setting may have this called: nothing that runs commands or files comes from there.

    Args:
        named: a class, or a function, which must say in its annotation what it returns.
    """
    if isinstance(named, type):
        return issubclass(named, nn.Module) or _known(named.__module__) or _own(named.__module__)
    found = returned(named)
    module = getattr(named, "__module__", None)
    return isinstance(found, type) and isinstance(module, str) and (_own(module) or may_be_built(found))


def returned(function: Any) -> Any:
    """What a function's annotation says that it returns, None where it says nothing that means anything here."""
    try:
        return typing.get_type_hints(function).get("return")
    except (NameError, TypeError, AttributeError, ValueError):
        return None


def _known(module: str) -> bool:
    return module == "torch" or any(module == name or module.startswith(f"{name}.") for name in _KNOWN)


def _own(module: str) -> bool:
    """Of a file that is not installed, also where its package has no file of its own."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if module == "__main__" or file is None:
        return module == "__main__"
    folders = [Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib", "stdlib", "platstdlib")]
    return not is_installed(module.partition(".")[0]) and not any(map(Path(file).resolve().is_relative_to, folders))
