"""Sentences about a setting that is none, is missing, or has a value of another kind."""

import inspect
import re
from collections.abc import Sequence
from typing import Any

from sparsefront.cli.messages.class_sentences import ATTACKS
from sparsefront.cli.messages.message_place import Place
from sparsefront.common.annotations import annotations_of, settings_group_of
from sparsefront.common.imported import imported
from sparsefront.common.nearest import nearest

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
    mend = f"; write e.g. {ATTACKS}." if place.setting == "attacks" and "a list" in words else "."
    return f"{place} must be {' or '.join(words)}, found {value or place.found}{mend}"


def no_setting(found: re.Match[str], place: Place) -> str:
    """An option that the class does not have."""
    known = _settings_of(imported(place.owner) if place.owner else None)
    return no_such_setting(found[1], place.owner.rpartition(".")[2], known)


def no_such_setting(word: str, owner: str, known: Sequence[str]) -> str:
    """A word that is no setting.

    Args:
        word: as it was given.
        owner: the class that does not have it, empty where none is known.
        known: the settings of that class.
    """
    if word in known:
        return (
            f"`{word}` of {owner} cannot be set here, found it among the first arguments, "
            "which are handed over; name a class of yours that takes what is handed over first, and its settings after."
        )
    near = nearest(word.partition(".")[0], known) or known
    of = f" of {owner}" if owner else ""
    return f"`{word}` is no setting{of}; did you mean {' or '.join(near)}?" if near else f"`{word}` is no setting{of}."


def no_setting_of_group(found: re.Match[str], place: Place) -> str:
    """An option that a dataclass, which groups settings of a class, does not have."""
    annotations = annotations_of(imported(place.owner)) if place.owner else {}
    known = _settings_of(settings_group_of(annotations.get(found[1])))
    near = nearest(found[2], known) or known
    mend = f"; did you mean {' or '.join(f'{found[1]}.{name}' for name in near)}?" if near else "."
    of = f" of {place.owner.rpartition('.')[2]}" if place.owner else ""
    return f"`{found[1]}.{found[2]}` is no setting{of}{mend}"


def _settings_of(owner: Any) -> list[str]:
    try:
        return [
            name
            for name in inspect.signature(owner).parameters
            if name not in ("image_shape", "in_chans", "num_classes")
        ]
    except (TypeError, ValueError):
        return []


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
