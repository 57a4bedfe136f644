"""The standard protocol in a word: `--attacks standard --attacks.eps 0.1`, in a file `attacks: standard`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from sparsefront.cli.flags import Flag, flags_of, read_settings
from sparsefront.common.joined_words import joined_words

ATTACKS = "attacks"
EFFORTS = ("quick", "standard", "thorough")


def as_list(value: Any) -> Any:
    """The list with the protocol that a value of `attacks` names as its entry; any other value as it is.

    Args:
        value: `standard`, say, or `{effort: standard, norm: L2, eps: 0.5}`.
    """
    settings = _protocol(value)
    if settings is None:
        return value
    return [
        {"name": settings["effort"], "attack": {"class_path": "sparsefront.attacks.Standard", "init_args": settings}}
    ]


def with_protocol(words: Sequence[str]) -> list[str]:
    """A command line that has the protocol, with the settings that its own flags give it, as an entry of a list.

    Args:
        words: of the command line; its configuration files can be read.

    Returns:
        The same words where no flag is about a protocol.

    Raises:
        ValueError: settings of a protocol, and no protocol.
    """
    flags = list(flags_of(words))
    own = [flag for flag in flags if flag.name.startswith(f"{ATTACKS}.") and flag.name != f"{ATTACKS}.help"]
    values = [(flag, _value(flag)) for flag in flags if flag.name == ATTACKS or (own and flag.is_file)]
    named, value = next((one for one in reversed(values) if one[1] is not None), (None, None))
    settings = _protocol(value)
    if named is not None and settings is not None:
        settings |= {flag.name.removeprefix(f"{ATTACKS}."): _plain(flag.value) for flag in own}
        return _replaced(words, named, own, f"--{ATTACKS}={json.dumps(as_list(settings))}")
    if own:
        raise ValueError(
            f"{joined_words([f'`--{flag.name}`' for flag in own])} must be of a protocol that `--{ATTACKS}` names, "
            f"found none; write `--{ATTACKS} standard`, quick or thorough, or give an attack of a list its own "
            "`init_args`."
        )
    return list(words)


def _protocol(value: Any) -> dict[str, Any] | None:
    """The settings of the protocol that a value of `attacks` names, None if it names none."""
    settings = {"effort": value} if isinstance(value, str) else value
    return dict(settings) if isinstance(settings, Mapping) and settings.get("effort") in EFFORTS else None


def _value(flag: Flag) -> Any:
    """What a flag or a file says of `attacks`; None if nothing."""
    return read_settings(flag.value).get(ATTACKS) if flag.is_file else _plain(flag.value)


def _plain(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text  # the parser says what is wrong with it, if anything is


def _replaced(words: Sequence[str], named: Flag, own: Sequence[Flag], entries: str) -> list[str]:
    """The words without a protocol's settings, and with entries in its flag's place or after its file."""
    gone = [*own, *([] if named.is_file else [named])]
    after, left = named.at + named.words, list[str]()
    for at, word in enumerate([*words, ""]):
        left += [entries] if at == after else []
        left += [] if any(flag.at <= at < flag.at + flag.words for flag in gone) else [word]
    return left[:-1]
