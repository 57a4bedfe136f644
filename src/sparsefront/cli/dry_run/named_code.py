"""Whether what the settings name is what is wanted there, seen before any of it is called."""

import collections.abc
import functools
import importlib
import inspect
import operator
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any, Union

from jsonargparse import Namespace

from sparsefront.attacks import NamedAttack
from sparsefront.cli.dry_run.group_settings import GROUPS
from sparsefront.cli.dry_run.open_settings import OPEN, is_open, may_be_built, returned
from sparsefront.common.annotations import annotations_of, settings_group_of
from sparsefront.data import ImageData
from sparsefront.frontends import FrontEnd
from sparsefront.model.rebuilding import CLASS, MORE, SETTINGS


def check_named(settings: Namespace) -> None:
    """Look through all settings of a subcommand.

    Raises:
        ValueError: a class that is none of the kind wanted, a function that does not say in its annotation that it
            returns one, or null in the place of settings.
    """
    for group, kind in GROUPS.items():
        hints = annotations_of(kind)
        for name, value in _items(settings.get(group) or {}):
            _check(hints.get(name, Any), value, f"{group}.{name}")
    _check(list[NamedAttack], settings.get("attacks"), "attacks")
    _check(ImageData | None, settings.get("data"), "data")


def _check(hint: Any, value: Any, setting: str) -> None:
    group = settings_group_of(hint)
    if group is not None and group is hint and not (isinstance(value, Mapping | Namespace) or is_dataclass(value)):
        found = "null" if value is None else repr(value)
        raise ValueError(
            f"`{setting}` must hold settings of {group.__name__}, found {found}; leave it out, and they are its "
            "defaults."
        )
    if inspect.isroutine(value) and list(_kinds(hint)):  # else it is handed on as it is, not called to build a part
        _check_kind(value, hint, setting)
    elif _names_a_class(value):
        named = _resolved(str(value[CLASS]))
        _check_kind(named, hint, setting)
        _check_no_front_end(named, setting)
        hints = annotations_of(named)
        for name, inner in [*_items(value.get(SETTINGS) or {}), *_items(value.get(MORE) or {})]:
            _check(hints.get(name, Any), inner, f"{setting}.{name}")
    elif isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            _check(_inner(hint, collections.abc.Iterable), inner, f"{setting}[{i}]")
    elif isinstance(value, dict | Namespace):
        fields: dict[str, Any] = {}
        for kind in filter(is_dataclass, _options(hint)):
            fields |= annotations_of(kind)
        each = _inner(hint, Mapping)
        for name, inner in _items(value):
            _check(fields.get(name, each), inner, f"{setting}.{name}")


def _check_kind(named: Any, hint: Any, setting: str) -> None:
    """Of something called `named`, which is called if this passes."""
    if named is None:
        return  # no name of anything: nothing that could be called
    wanted = list(_kinds(hint))
    anything = not wanted or any(map(is_open, _wanted(hint)))
    found = named if isinstance(named, type) else returned(named)
    if (isinstance(found, type) and issubclass(found, tuple(wanted))) or (anything and may_be_built(named)):
        return
    kinds = " or ".join(f"{kind.__module__.split('.')[0]}'s {kind.__name__}" for kind in wanted)
    rule = f"a subclass of {kinds}, or a function annotated to return one" if kinds else OPEN
    name = f"{getattr(named, '__module__', None)}.{getattr(named, '__qualname__', named)}"
    raise ValueError(f"`{setting}` must name {rule}, found {name}; it was not called.")


def _resolved(name: str) -> Any:
    """What jsonargparse calls by this name, inherited and bound methods too, else None.

    A name's last word is looked for in the module before it or, where that is none, in what this module's last word
    names in turn: a submodule is never taken for a function of the same name beside it.
    """
    home, _, last = name.rpartition(".")
    try:
        return getattr(_home(home), last)
    except (ImportError, AttributeError, ValueError):
        return None  # so it is for jsonargparse


def _home(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, last = name.rpartition(".")
        return getattr(importlib.import_module(module), last)


def _check_no_front_end(named: Any, setting: str) -> None:
    """A front end is a module too, and would be built with a classifier's sizes."""
    if setting == "model.classifier" and isinstance(named, type) and issubclass(named, FrontEnd):
        raise ValueError(
            f"`{setting}` must name a classifier, found {named.__name__}, which is a front end; write e.g. ConvNet, "
            f"and {named.__name__} as `model.frontend`."
        )


def _kinds(hint: Any) -> Iterator[type]:
    """The classes that a setting may name subclasses of."""
    plain = (str, int, float, list, tuple, dict, type(None))
    for option in _wanted(hint):
        if isinstance(option, type) and not is_open(option) and not issubclass(option, plain):
            yield option


def _wanted(hint: Any) -> Iterator[Any]:
    """What annotations say that a setting is, or that it returns; `Any` of a bare `Callable`."""
    for option in _options(hint):
        if collections.abc.Callable in (option, typing.get_origin(option)):
            yield from _wanted((typing.get_args(option) or [Any])[-1])
        else:
            yield option


def _options(hint: Any) -> list[Any]:
    """Of a union, however it is nested; else the annotation itself."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        return [inner for option in typing.get_args(hint) for inner in _options(option)]
    return [hint]


def _inner(hint: Any, container: type) -> Any:
    """What a container's items are annotated with."""
    for option in _options(hint):
        origin, inner = typing.get_origin(option), [one for one in typing.get_args(option) if one is not ...]
        if inner and isinstance(origin, type) and issubclass(origin, container):
            return inner[-1] if container is Mapping else functools.reduce(operator.or_, inner)
    return Any


def _names_a_class(value: Any) -> bool:
    return isinstance(value, dict | Namespace) and CLASS in value


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    yield from vars(value).items() if isinstance(value, Namespace) else value.items()
