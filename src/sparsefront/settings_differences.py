"""Settings of two runs, compared by what they mean."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Difference(NamedTuple):
    """A setting that is another one.

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


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """What differs among the settings that both have.

    A class that is another one stands for its settings, which cannot be compared. Settings that only one of them knows
    are of another version of the code, and say nothing.

    Args:
        before: nested settings, with classes as `class_path` and `init_args`.
        now: the same.
    """
    old, new = dict(_flat(before)), dict(_flat(now))
    found: list[Difference] = []
    for name, value in new.items():
        within = any(name.startswith(f"{other.name}.") for other in found)
        if name in old and old[name] != value and not within:
            found.append(Difference(name, old[name], value))
    return found


def _flat(settings: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values; the name of a class comes before those of its settings."""
    if not isinstance(settings, Mapping):
        yield name, _plain(settings)
        return
    parts: Mapping[Any, Any] = settings
    if "class_path" in settings:
        yield name, _class(settings["class_path"])
        parts = {key: value for which in ("init_args", "dict_kwargs") for key, value in _items(settings.get(which))}
    for key, value in parts.items():
        yield from _flat(value, f"{name}.{key}" if name else str(key))


def _items(settings: Any) -> list[tuple[Any, Any]]:
    return list(settings.items()) if isinstance(settings, Mapping) else []


def _plain(value: Any) -> Any:
    """A value in one form: lists for tuples, numbers for fractions such as 8/255, `package.Class` for classes."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _class(item) if key == "class_path" else _plain(item) for key, item in value.items()}
    if isinstance(value, str) and (parts := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*", value)):
        return float(parts[1]) / float(parts[2]) if float(parts[2]) else value
    return value


def _class(path: Any) -> str:
    """Package and class: which module of a package defines it is no matter."""
    parts = str(path).split(".")
    return ".".join(dict.fromkeys((parts[0], parts[-1])))


def _shown(value: Any) -> str:
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
