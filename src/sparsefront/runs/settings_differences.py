"""Settings of two runs, compared by what they mean."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sparsefront.common.annotations import annotations_of, settings_group_of
from sparsefront.runs.class_paths import full_class_path, named_class

_OF_CLASS = ("init_args", "dict_kwargs")


class Difference(NamedTuple):
    """A setting with another value.

    Attributes:
        name: its dotted name, as on the command line.
        before: its value in the checkpoint.
        now: its value given.
    """

    name: str
    before: Any
    now: Any

    def __str__(self) -> str:
        """E.g. "model.frontend.sigma: 1.0 → 2.0"."""
        return f"{self.name}: {_shown(self.before)} → {_shown(self.now)}"


class Setting(NamedTuple):
    """The value of a setting.

    Attributes:
        compared: in the one form that all spellings of it have.
        given: as it was given.
        open_ended: whether it is one that a class takes by any name.
    """

    compared: Any
    given: Any
    open_ended: bool = False


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """What differs among the settings that both have.

    A class that is another one stands for its settings, which cannot be compared. Settings that only one of them knows
    are of another version of the code, and say nothing; but of those that a class takes by any name (`dict_kwargs`),
    one that only one side has is null on the other. Where a class annotates a setting with a dataclass, its fields are
    compared one by one, as in `model.frontend.learning.n_iterations`; every other mapping that is the value of a
    setting is compared as one.

    Args:
        before: nested settings, in groups at the top, with classes as `class_path` and `init_args`.
        now: the same.
    """
    old, new = dict(flat(before)), dict(flat(now))
    differing: list[Difference] = []
    for name in dict.fromkeys((*new, *old)):
        pair = _pair(name, old, new)
        within = any(name.startswith(f"{other.name}.") for other in differing)
        if pair is not None and pair[0].compared != pair[1].compared and not within:
            differing.append(Difference(name, *_told_apart(pair[0].given, pair[1].given)))
    return differing


def _told_apart(before: Any, now: Any) -> tuple[Any, Any]:
    """Classes by package and name, where those differ."""
    short = [_short(one["class_path"]) if _is_class(one) else one for one in (before, now)]
    full = [one["class_path"] if _is_class(one) else one for one in (before, now)]
    return (full[0], full[1]) if short[0] == short[1] else (short[0], short[1])


def _is_class(value: Any) -> bool:
    """Or settings of one that is named elsewhere, as files stack them."""
    return isinstance(value, Mapping) and ("class_path" in value or (bool(value) and set(value) <= set(_OF_CLASS)))


def _short(path: Any) -> str:
    parts = str(path).removeprefix("sparsefront.").split(".")
    return ".".join(dict.fromkeys((parts[0], parts[-1])))


def _pair(name: str, old: Mapping[str, Setting], new: Mapping[str, Setting]) -> tuple[Setting, Setting] | None:
    one = old.get(name) or new[name]
    owner = name.rpartition(".")[0]
    if (name in old and name in new) or (one.open_ended and owner in old and owner in new):
        absent = Setting(None, None)
        return old.get(name, absent), new.get(name, absent)
    return None


def flat(settings: Mapping[Any, Any]) -> Iterator[tuple[str, Setting]]:
    """Dotted names and values, of groups and of classes; the name of a class comes before those of its settings.

    Args:
        settings: nested, in groups at the top, with classes as `class_path` and `init_args`.

    Returns:
        E.g. `model.frontend` with the class, then `model.frontend.sigma`: the names of the command line.
    """
    for group, value in settings.items():
        if isinstance(value, Mapping) and not _is_class(value):
            for key, inner in value.items():
                yield from _of_setting(inner, f"{group}.{key}")
        else:
            yield from _of_setting(value, str(group))


def _of_setting(
    value: Any, name: str, annotation: Any = None, open_ended: bool = False
) -> Iterator[tuple[str, Setting]]:
    group = settings_group_of(annotation)
    if _is_class(value):
        annotations: Mapping[str, Any] = {}
        if "class_path" in value:
            yield name, Setting(full_class_path(value["class_path"]), value, open_ended)
            annotations = annotations_of(named_class(value["class_path"]))
        for which in _OF_CLASS:
            for key, inner in _items(value.get(which)):
                yield from _of_setting(inner, f"{name}.{key}", annotations.get(key), which == "dict_kwargs")
    elif group is not None and isinstance(value, Mapping):
        yield name, Setting(group.__qualname__, value, open_ended)
        annotations = annotations_of(group)
        for key, inner in value.items():
            yield from _of_setting(inner, f"{name}.{key}", annotations.get(key))
    else:
        yield name, Setting(_plain(value), _plain(value), open_ended)


def _items(settings: Any) -> list[tuple[Any, Any]]:
    return list(settings.items()) if isinstance(settings, Mapping) else []


def _plain(value: Any) -> Any:
    """A value in one form: lists for tuples, numbers for fractions such as 8/255, full paths for classes."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): full_class_path(item) if key == "class_path" else _plain(item) for key, item in value.items()}
    if isinstance(value, str) and (parts := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*", value)):
        return float(parts[1]) / float(parts[2]) if float(parts[2]) else value
    return value


def _shown(value: Any) -> str:
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
