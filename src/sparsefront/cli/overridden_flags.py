"""Flags that a configuration file later on the command line overrides."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from sparsefront.cli.flags import Flag, flags_of, read_settings

_CHECKPOINT = "ckpt_path"


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
    found, flags = list(words), list(flags_of(words))
    _say_lost(flags)
    checkpoints = [flag for flag in flags if flag.name == _CHECKPOINT and flag.value not in ("null", "~", "")]
    if not checkpoints:
        return found
    last = checkpoints[-1]
    after = [(file, read_settings(file.value).get(_CHECKPOINT)) for file in flags if file.is_file and file.at > last.at]
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


def _say_lost(flags: Sequence[Flag]) -> None:
    lost: dict[str, list[str]] = {}
    for file in (one for one in flags if one.is_file):
        settings = dict(file.settings())
        for flag in (one for one in flags if one.at < file.at and one.name != _CHECKPOINT and not one.is_file):
            if any(_differs(name.removesuffix("+"), value, settings) for name, value in flag.settings()):
                lost.setdefault(file.value, []).append(f"--{flag.name} {flag.value}")
    for file_name, names in lost.items():
        sys.stderr.write(
            f"`--config` {file_name} comes later on the line and has other values than {', '.join(names)}: those of "
            "the file are taken; give a flag after it to keep the flag's.\n"
        )


def _differs(name: str, value: Any, settings: Mapping[str, Any]) -> bool:
    return name in settings and not _same(value, settings[name])


def _same(given: Any, value: Any) -> bool:
    """Equal values; a class may be given by its name alone."""
    names = isinstance(given, str) and isinstance(value, str)
    return bool(given == value) or (names and value.endswith(f".{given}"))
