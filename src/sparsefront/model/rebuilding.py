"""What the settings in a checkpoint describe, built from known classes alone."""

import collections.abc
import enum
import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Union

import sparsefront.training.schedules  # noqa: F401  which a checkpoint may name
from sparsefront.common.annotations import annotations_of
from sparsefront.model.known_classes import known_class

SOURCES = {"pretrained": False, "checkpoint_path": None}
"""A classifier's settings that say where its first weights come from, and what they are once it has weights."""

CLASS, SETTINGS, MORE = "class_path", "init_args", "dict_kwargs"
_INSTANTIATOR, _OWN_CLASS = "_instantiator", "_class_path"  # what LightningCLI adds, and Lightning would act on
_ELSEWHERE = "_checkpoint"  # names a file that the weights came from before they were in this one
_LIGHTNINGS = ("pytorch_lightning.cli.instantiate_module",)


def rebuilt(hint: Any, value: Any, setting: str) -> Any:
    """What a plain value stands for where a parameter is annotated with `hint`.

    An object of the annotated class, or a builder where a `Callable` that returns one is annotated; of a dataclass that
    groups settings, one with the settings given. Everything else stays the value that it is: a text is never looked up
    where no class is annotated.

    Args:
        hint: the annotation.
        value: numbers, texts, lists and dictionaries, as a checkpoint keeps them.
        setting: where it stands, for the sentence.

    Raises:
        ValueError: a class that is not known or not of the kind annotated, a function, or a setting that a group of
            settings does not have.
    """
    origin, options = typing.get_origin(hint) or hint, typing.get_args(hint)
    if value is None or hint is Any or origin is Literal:
        return value
    if origin in (Union, types.UnionType):
        return _first_that_fits([option for option in options if option is not type(None)], value, setting)
    if origin is collections.abc.Callable:
        return _builder(options[-1] if options else None, value, setting)
    if isinstance(origin, type):
        if issubclass(origin, Mapping) and isinstance(value, Mapping):
            return {
                key: rebuilt(options[1] if options else Any, item, f"{setting}.{key}") for key, item in value.items()
            }
        if isinstance(value, list | tuple) and issubclass(origin, collections.abc.Iterable):
            return _sequence(origin, options, value, setting)
        return _object(origin, value, setting)
    return value


def described_settings(owner: type, saved: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments of a model from the settings that a checkpoint keeps of it; those `given` take their place.

    Raises:
        ValueError: as `rebuilt`, an instantiator or a class other than Lightning's and the owner, or a part that was
            given from Python when the checkpoint was written and is not given now.
    """
    settings = dict(saved) if isinstance(saved, Mapping) else {}
    for key, allowed in ((_INSTANTIATOR, _LIGHTNINGS), (_OWN_CLASS, (f"{owner.__module__}.{owner.__qualname__}",))):
        if (given_path := settings.pop(key, None)) not in (None, *allowed):
            raise ValueError(f"`{key}` of a checkpoint must be {allowed[0]}, found {given_path!r}")
    parameters = inspect.signature(owner).parameters
    wanted = {
        name: value
        for name, value in settings.items()
        if name in parameters.keys() - given and not name.endswith(_ELSEWHERE)
    }
    found_here = settings_of(owner, wanted, "hyper_parameters") | dict(given)
    needed = [name for name, one in parameters.items() if one.default is one.empty and name not in found_here]
    if needed:
        raise ValueError(f"`{needed[0]}` is not in a checkpoint of a model that was built from Python; give it")
    return found_here


def settings_of(owner: Any, given: Mapping[str, Any], setting: str) -> dict[str, Any]:
    """The arguments of a class, each as its annotation has it."""
    hints = annotations_of(owner)
    neutral = {name: SOURCES.get(name, value) for name, value in given.items()}
    return {name: rebuilt(hints.get(name, Any), value, f"{setting}.{name}") for name, value in neutral.items()}


def _first_that_fits(options: Sequence[Any], value: Any, setting: str) -> Any:
    if isinstance(value, str) and str in options:
        return value
    refused: ValueError | None = None
    for option in options:
        try:
            return rebuilt(option, value, setting)
        except ValueError as error:
            refused = refused or error
    raise refused or ValueError(f"`{setting}` of a checkpoint has no value that fits, found {value!r}")


def _builder(base: Any, value: Any, setting: str) -> Any:
    if not isinstance(base, type):
        raise ValueError(f"`{setting}` of a checkpoint must not name a function, found {value!r}")
    kind, arguments = _named(base, value, setting)
    return partial(kind, **arguments)


def _object(kind: type, value: Any, setting: str) -> Any:
    if isinstance(value, kind):
        return value
    if kind in (bool, int, float, complex, str, bytes):
        if isinstance(value, Mapping | list):
            raise ValueError(f"`{setting}` of a checkpoint must be a plain {kind.__name__}, found {value!r}")
        return value
    if issubclass(kind, enum.Enum) and isinstance(value, str):
        return kind[value]
    if issubclass(kind, Path) and isinstance(value, str):
        return kind(value)
    if is_dataclass(kind) and isinstance(value, Mapping) and CLASS not in value:
        return _group(kind, value, setting)
    named_kind, arguments = _named(kind, value, setting)
    return named_kind(**arguments)


def _group(kind: type, value: Mapping[str, Any], setting: str) -> Any:
    """A dataclass that groups settings, from the settings given by name; the others are its defaults."""
    known = [field.name for field in fields(kind) if field.init]
    if unknown := [name for name in value if name not in known]:
        raise ValueError(
            f"`{setting}` of a checkpoint must hold settings of {kind.__name__}, {', '.join(known)}, found "
            f"{unknown[0]!r}; build the model with the version of the project that wrote it"
        )
    return kind(**settings_of(kind, value, setting))


def _sequence(origin: type, options: Sequence[Any], values: Sequence[Any], setting: str) -> Any:
    each = [option for option in options if option is not ...] or [Any]
    hints = each if len(each) == len(values) else [each[0]] * len(values)
    items = [rebuilt(hint, value, f"{setting}[{i}]") for i, (hint, value) in enumerate(zip(hints, values, strict=True))]
    return tuple(items) if issubclass(origin, tuple) else items


def _named(base: type, value: Any, setting: str) -> tuple[type, dict[str, Any]]:
    """A class that a value names, and its arguments."""
    spec: Any = {CLASS: value} if isinstance(value, str) else value
    if not isinstance(spec, Mapping) or not set(spec) <= {CLASS, SETTINGS, MORE} or CLASS not in spec:
        raise ValueError(f"`{setting}` of a checkpoint must name a {base.__name__} class, found {value!r}")
    kind = known_class(spec[CLASS], base, setting)
    arguments = {**(spec.get(SETTINGS) or {}), **(spec.get(MORE) or {})}
    return kind, settings_of(kind, arguments, setting)
