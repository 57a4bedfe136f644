"""Flags that a configuration file later on the command line overrides."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sparsefront.common.home import at_home

_CONFIG = ("--config", "-c")
_CHECKPOINT = "ckpt_path"


class _Flag(NamedTuple):
    name: str  # dotted, without dashes
    value: str
    at: int  # its first word
    words: int


def keep_checkpoint(words: Sequence[str]) -> list[str]:
    """The words of a command line, on which a checkpoint named by a flag is taken; flags that are lost are said.

    Of a flag and a later `--config` the later counts. But every `config.yaml` that a run leaves names all settings,
    `ckpt_path: null` among them in older ones: that would leave the checkpoint out without a word, and what follows
    would be of weights that nobody trained.

    Args:
        words: of the command line; its configuration files can be read.

    Returns:
        The same, with `--ckpt_path` at the end where a later file says nothing of it or null.

    Raises:
        ValueError: a later file names another checkpoint.
    """
    found, flags = list(words), list(_flags(words))
    _say_lost(flags)
    checkpoints = [flag for flag in flags if flag.name == _CHECKPOINT and flag.value not in ("null", "~", "")]
    if not checkpoints:
        return found
    last = checkpoints[-1]
    after = [(file, _read(file.value).get(_CHECKPOINT)) for file in _files(flags) if file.at > last.at]
    for file, other in after:
        if other is not None and str(other) != last.value:
            raise ValueError(
                f"`--{_CHECKPOINT}` {last.value} must come after `--config` {file.value}, which names another "
                f"checkpoint, found before it: {other} would be taken; move it to the end, or leave it out."
            )
    if after:
        moved = found[last.at : last.at + last.words]
        del found[last.at : last.at + last.words]
        found += moved
    return found


def _say_lost(flags: Sequence[_Flag]) -> None:
    lost: dict[str, list[str]] = {}
    for file in _files(flags):
        settings = dict(_flat(_read(file.value)))
        for flag in (one for one in flags if one.at < file.at and one.name not in (_CHECKPOINT, "config")):
            if any(name in settings and not _same(value, settings[name]) for name, value in _given(flag)):
                lost.setdefault(file.value, []).append(f"--{flag.name} {flag.value}")
    for file_name, names in lost.items():
        sys.stderr.write(
            f"`--config` {file_name} comes later on the line and has other values than {', '.join(names)}: those of "
            "the file are taken; give a flag after it to keep the flag's.\n"
        )


def _flags(words: Sequence[str]) -> Iterator[_Flag]:
    at = 0
    while at < len(words):
        word, after = words[at], words[at + 1 : at + 2]
        dashed = word.startswith("--") or word in _CONFIG
        name, equals, value = word.removeprefix("--").partition("=")
        two = dashed and not equals and bool(after) and not after[0].startswith("--")
        if dashed and (equals or two):
            yield _Flag("config" if word in _CONFIG else name, after[0] if two else value, at, 1 + two)
        at += 1 + two


def _given(flag: _Flag) -> Iterator[tuple[str, Any]]:
    try:
        value = yaml.safe_load(flag.value)
    except yaml.YAMLError:
        value = flag.value  # the parser says what is wrong with it, if anything is
    appended = flag.name.endswith("+")
    return _flat({flag.name.removesuffix("+"): [value] if appended else value})


def _files(flags: Sequence[_Flag]) -> list[_Flag]:
    return [flag for flag in flags if flag.name == "config"]


def _read(file: str) -> Mapping[str, Any]:
    text = file if file.lstrip().startswith("{") else Path(at_home(file)).read_text(encoding="utf-8-sig")
    settings = yaml.safe_load(text)
    return settings if isinstance(settings, Mapping) else {}


def _flat(settings: Mapping[Any, Any], name: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values as on the command line: `init_args` is left out, a class has the name of its group."""
    for key, value in settings.items():
        parts = [part for part in f"{name}.{key}".split(".") if part and part not in ("init_args", "class_path")]
        if isinstance(value, Mapping):
            yield from _flat(value, ".".join(parts))
        else:
            yield ".".join(parts), value


def _same(given: Any, value: Any) -> bool:
    """Equal values; a class may be given by its name alone."""
    names = isinstance(given, str) and isinstance(value, str)
    return bool(given == value) or (names and value.endswith(f".{given}"))
