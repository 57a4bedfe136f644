"""Sentences about a setting that is none, is missing, or has a value of another kind."""

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sparsefront.cli.messages.class_sentences import ATTACKS
from sparsefront.cli.messages.message_place import TEXT_NONE, Place
from sparsefront.cli.protocol_words import EFFORTS
from sparsefront.cli.source.index import HANDED_OVER
from sparsefront.common.annotations import annotations_of, settings_group_of
from sparsefront.common.imported import imported
from sparsefront.common.joined_words import joined_words
from sparsefront.common.nearest import nearest
from sparsefront.common.shown import NULL

KINDS = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "list": "a list",
    "dict": "a mapping",
}
_EXAMPLES = {
    "model.classifier": "--model.classifier ConvNet",
    "data": "--data MNIST5k",
    "attack": "attack: {class_path: PGD}",
    "name": "name: mine",
}

_HANDED_OVER = ("classifier", "frontend", "optimizer", "scheduler")
"""Parts that are called with sizes, parameters or an optimizer first."""


def wrong_value(found: re.Match[str], place: Place) -> str:
    """'Expected a <class int> or Expected a typing.Literal[...]. Got value: x'."""
    rule, _, value = found[0].partition(". Got value: ")
    words: list[str] = []
    for kind in rule.split(" or Expected a "):
        plain = re.search(r"<class '(?:\w+\.)*(\w+)'>", kind)
        choices = re.search(r"Literal\[(.*)\]", kind)
        said = f"one of {choices[1]}" if choices else KINDS.get(plain[1], plain[1]) if plain else "of its kind"
        words += [said] if said not in words else []
    if "an integer" in words and "a number" in words:
        words.remove("an integer")
    if value == TEXT_NONE:
        return f"{place} must be {' or '.join(words)}, found the text None; write null for none."
    mend = "."
    if place.setting == "attacks" and "a list" in words:
        mend = f"; write e.g. {ATTACKS}, or {joined_words(EFFORTS, 'or')} for the protocol of that effort."
    value = value or place.found or ""
    return f"{place} must be {' or '.join(words)}, found {NULL if value == 'None' else value}{mend}"


def no_setting(found: re.Match[str], place: Place) -> str:
    """An option that the class does not have, or that a dataclass does not which groups settings of the class."""
    owner = imported(place.owner) if place.owner else None
    word = ".".join(part for part in found.groups() if part is not None)
    return no_such_setting(word, place.owner.rpartition(".")[2], _settings_by_group(owner))


def no_such_setting(word: str, owner: str, known: Mapping[str, Sequence[str]]) -> str:
    """A word that is no setting.

    Args:
        word: as it was given; dotted where it is of a group.
        owner: the class that does not have it, empty where none is known.
        known: the settings of that class and, of one that groups others, the names of these.
    """
    if word in known:
        return (
            f"`{word}` of {owner} cannot be set here, found it among the first arguments, "
            "which are handed over; name a class of yours that takes what is handed over first, and its settings after."
        )
    of = f" of {owner}" if owner else ""
    meant = _meant(word, known)
    return (
        f"`{word}` is no setting{of}; did you mean {' or '.join(meant)}?" if meant else f"`{word}` is no setting{of}."
    )


def _meant(word: str, known: Mapping[str, Sequence[str]]) -> list[str]:
    """Dotted names of settings: of that very name elsewhere, else like it in its group, else like it anywhere."""
    group, _, last = word.rpartition(".")
    grouped = [f"{name}.{one}" for name, names in known.items() for one in names]
    if same := [name for name in [*known, *grouped] if _last(name) == last]:
        return same
    beside = [name for name in grouped if name.startswith(f"{group}.")]
    for among in (beside, [*known, *grouped]):
        ends = nearest(last, dict.fromkeys(map(_last, among)))
        if like := [name for end in ends for name in among if _last(name) == end]:
            return like[:3]
    return beside or nearest(group, known) or list(known)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _settings_by_group(owner: Any) -> dict[str, list[str]]:
    annotations = annotations_of(owner) if owner is not None else {}
    return {name: _settings_of(settings_group_of(annotations.get(name))) for name in _settings_of(owner)}


def _settings_of(owner: Any) -> list[str]:
    try:
        names = inspect.signature(owner).parameters
    except (TypeError, ValueError):
        return []
    return [name for name in names if name not in HANDED_OVER]


def required(found: re.Match[str], place: Place) -> str:
    """What must be given and is not."""
    names = [re.sub(r"^(fit|validate|test|predict)\.", "", name.strip()) for name in found[1].split(",")]
    shown = " ".join(_EXAMPLES.get(name, f"`{name}: ...`") for name in names)
    missing = " and ".join(f"`{name}`" for name in names)
    last, short = place.setting.rpartition(".")[2], place.owner.rpartition(".")[2]
    if last in _HANDED_OVER and inspect.isroutine(imported(place.owner)):
        return (
            f"{missing} of {short} must be handed over, found a function as `class_path`; write the function alone, "
            f"`{last}: {place.owner}`, or a class where it needs settings."
        )
    whose = f" of {short}" if short else ""
    return f"{missing}{whose} must be given, found {'it' if len(names) == 1 else 'them'} nowhere; write e.g. {shown}."


def no_group(found: re.Match[str], place: Place) -> str:
    """A text where settings should be."""
    return f"`{place.setting}` must hold settings, each with its name, or name a file of them, found {found[1]!r}."


def not_lightnings(found: re.Match[str], _place: Place) -> str:
    """A name that Lightning's trainer does not know."""
    names = re.search(r": ([^.]*[a-z_])", found[3])
    known = f" ({', '.join(sorted(names[1].split(', ')))})" if names else ""
    return f"`trainer.{found[1]}` must be one that Lightning knows{known}, found {found[2]}."
