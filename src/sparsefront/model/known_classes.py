"""The classes that a file may name: a checkpoint is data, and data runs nothing."""

from typing import Any

from torch import nn

from sparsefront.common.imported import imported
from sparsefront.common.source_code import is_installed

_OURS = (
    "sparsefront.frontends",
    "sparsefront.classifiers",
    "sparsefront.training.objectives",
    "sparsefront.training.schedules",
    "torch.nn",
    "torch.optim",
)
_named: set[str] = set()  # packages of the parts that the user's own settings built in this process


def note_named(*parts: nn.Module) -> None:
    """Let files name classes of the packages that these parts come from, since the user named the parts."""
    _named.update(_package(type(part)) for part in parts)


def known_class(name: Any, base: type, setting: str) -> type:
    """The class of that name among imported modules; nothing is imported or called.

    It must be of this project, of `torch.nn` or `torch.optim`, of a module of the user's own that is imported, or of an
    installed package that the user's own settings named a part of.

    Args:
        name: as `module.Class`, of a file.
        base: what it must be a subclass of.
        setting: where in the file it stands, for the sentence.

    Raises:
        ValueError: there is none, or none that a file may name.
    """
    kind = imported(name) if isinstance(name, str) else None
    if not isinstance(kind, type) or not issubclass(kind, base):
        raise ValueError(
            f"`{setting}` of a checkpoint must name a {base.__name__} class that is imported, found {name!r}; if it is "
            "yours, name it in your own settings, a surrogate's in `classes` of Transfer"
        )
    if not _may_be_named(kind):
        raise ValueError(
            f"`{setting}` of a checkpoint must name a class of the project, of torch.nn or of a module of yours, found "
            f"{name!r} of the package {_package(kind)}; build your own model from that package, if you trust it"
        )
    return kind


def _may_be_named(kind: type) -> bool:
    module = kind.__module__
    ours = any(module == name or module.startswith(f"{name}.") for name in _OURS)
    return ours or _package(kind) in _named or not is_installed(_package(kind))


def _package(kind: type) -> str:
    return kind.__module__.split(".")[0]
