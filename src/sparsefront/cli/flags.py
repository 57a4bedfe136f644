"""A command line as its flags, and a configuration file as the flags that would say the same."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sparsefront.common.home import at_home

_CONFIG = ("--config", "-c")


class Flag(NamedTuple):
    """A flag of a command line, with its value."""

    name: str  # dotted, without dashes
    value: str
    at: int  # its first word
    words: int

    @property
    def is_file(self) -> bool:
        """Whether it names a configuration file."""
        return self.name == "config"

    def settings(self) -> Iterator[tuple[str, Any]]:
        """Names and values, several where the value is a mapping; of a file, all that it holds."""
        if self.is_file:
            yield from flat(read_settings(self.value))
            return
        try:
            value = yaml.safe_load(self.value)
        except yaml.YAMLError:
            value = self.value  # the parser says what is wrong with it, if anything is
        yield from flat({self.name: [value] if self.name.endswith("+") else value})


def flags_of(words: Sequence[str]) -> Iterator[Flag]:
    """The flags of a command line, in their order."""
    at = 0
    while at < len(words):
        word, after = words[at], words[at + 1 : at + 2]
        dashed = word.startswith("--") or word in _CONFIG
        name, equals, value = word.removeprefix("--").partition("=")
        two = dashed and not equals and bool(after) and not after[0].startswith("--")
        if dashed and (equals or two):
            yield Flag("config" if word in _CONFIG else name, after[0] if two else value, at, 1 + two)
        at += 1 + two


def read_settings(file: str) -> Mapping[str, Any]:
    """What a configuration file holds, or a text in braces in its place; nothing where that is no mapping."""
    text = file if file.lstrip().startswith("{") else Path(at_home(file)).read_text(encoding="utf-8-sig")
    settings = yaml.safe_load(text)
    return settings if isinstance(settings, Mapping) else {}


def flat(settings: Mapping[Any, Any], name: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values as on the command line: `init_args` is left out, a class has the name of its group.

    A class comes before its settings.
    """
    for key, value in sorted(settings.items(), key=lambda item: item[0] != "class_path"):
        parts = [part for part in f"{name}.{key}".split(".") if part and part not in ("init_args", "class_path")]
        if isinstance(value, Mapping):
            yield from flat(value, ".".join(parts))
        else:
            yield ".".join(parts), value
