"""Misspelt classes of the project, misspelt settings and wrong values, seen before anything is imported to build them.

What this does not know, such as a class of the user's, passes here: the parser looks at everything again.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sparsefront.cli.dry_run.broken_rule import broken_rule
from sparsefront.cli.dry_run.given import Given
from sparsefront.cli.dry_run.refused_values import refused_in_groups, refused_of_class
from sparsefront.cli.flags import Flag, flags_of, flat
from sparsefront.cli.messages.class_sentences import unknown_class
from sparsefront.cli.messages.message_place import Place
from sparsefront.cli.messages.messages import of_entry
from sparsefront.cli.messages.setting_sentences import no_such_setting
from sparsefront.cli.source.index import SourceClass, public_class

_CLASSES = {
    "model.frontend": ("frontends", "FrontEnd"),
    "model.classifier": ("classifiers", ""),
    "data": ("data", "ImageData"),
    "attack": ("attacks", "Attack"),
    "view": ("attacks", "View"),
}
"""Of a setting that names a class: the package of the project's, what they inherit from; any module may classify."""
_KEYS = ("class_path", "init_args", "dict_kwargs", "help")
_LIBRARIES = ("torch.", "pytorch_lightning.", "sparsefront.")


def check_spelling(words: Sequence[str]) -> None:
    """Look at the classes that a command line and its files name, and at the names and plain values of their settings.

    Args:
        words: of the command line; its configuration files can be read.

    Raises:
        ValueError: a class of the project, or a setting of one, that is not there; a value of another kind.
    """
    settings = [given for flag in flags_of(words) for given in _given(flag)]
    if any(_may_bring_classes(given.value) for given in settings):
        return  # a module of the user's, whose classes may go by short names too
    for place in ("model.frontend", "model.classifier", "data"):
        _check_place(place, [given for given in settings if f"{given.name}.".startswith(f"{place}.")])
    _check_attacks([(given.name, given.value) for given in settings if given.name in ("attacks", "attacks+")])
    if (refused := refused_in_groups(settings)) is not None:
        raise ValueError(refused)


def _given(flag: Flag) -> Iterator[Given]:
    """The settings of a flag; of one that is no file, and no mapping, as the command line has it."""
    settings = list(flag.settings())
    alone = not flag.is_file and len(settings) == 1 and not isinstance(settings[0][1], list)
    is_text = alone and not flag.value.lstrip().startswith("{")
    return (Given(name, value, flag.value if is_text else None) for name, value in settings)


def _check_place(place: str, settings: Sequence[Given]) -> None:
    """Look at one setting that names a class, and at that class's settings; what a later class replaces is let be."""
    kind: SourceClass | None = None
    refused: str | None = None
    of_kind: list[Given] = []
    others = 0  # settings from before its class was named, some of which may count
    for given in settings:
        if given.name == place:
            before, kind = kind, _kind(place, given.value)
            if before is None or kind is None or before.name != kind.name:
                others, of_kind = others + len(of_kind), []
            absent = kind is None and _must_be_ours(place, given.value)
            refused = unknown_class(Place(place), given.value) if absent else None
        elif kind is None:
            others += 1
        elif refused is None:
            of_kind.append(given.within(place))
            refused = _no_setting(kind, of_kind[-1].name) or refused_of_class(kind, of_kind[-1:])
    if refused is None and kind is not None and not others:
        refused = broken_rule(kind, of_kind)
    if refused is not None:
        raise ValueError(refused)


def _check_attacks(settings: Sequence[tuple[str, Any]]) -> None:
    """Look at the list of attacks as it is in the end."""
    entries: list[Any] = []
    for name, value in settings:
        entries = [*(entries if name.endswith("+") else []), *(value if isinstance(value, list) else [])]
    for entry in entries:
        for role in ("attack", "view"):
            if isinstance(entry, dict) and role in entry and (sentence := _of_part(role, entry[role])) is not None:
                raise ValueError(of_entry(entry, sentence))


def _of_part(role: str, value: Any) -> str | None:
    """The sentence for what an entry names as its attack or view, None where that is well."""
    named = value.get("class_path") if isinstance(value, dict) else value
    if (kind := _kind(role, named)) is None:
        place = Place(role, owner="sparsefront.attacks.NamedAttack")
        return unknown_class(place, str(named)) if _must_be_ours(role, named) else None
    inner = value.get("init_args") if isinstance(value, dict) else None
    settings = [Given(*one) for one in flat(inner)] if isinstance(inner, dict) else []
    absent = next(filter(None, (_no_setting(kind, given.name) for given in settings)), None)
    return absent or refused_of_class(kind, settings) or broken_rule(kind, settings)


def _kind(place: str, value: Any) -> SourceClass | None:
    package, ancestor = _CLASSES[place]
    name = value.removeprefix(f"sparsefront.{package}.") if isinstance(value, str) else ""
    kind = public_class(package, name)
    return kind if kind is not None and (not ancestor or ancestor in kind.ancestors) else None


def _must_be_ours(place: str, value: Any) -> bool:
    """Whether what is named can only be a class of the project: torch's classify too, and go by short names."""
    return place != "model.classifier" and isinstance(value, str) and value.isidentifier()


def _no_setting(kind: SourceClass, name: str) -> str | None:
    """The sentence for a name that is no setting of a class, None where it is one or nobody knows."""
    if kind.settings is None:
        return None
    parts = [part for part in name.removesuffix("+").split(".") if part not in ("init_args", "dict_kwargs")]
    if not parts or not all(map(str.isidentifier, parts)) or parts[-1] in _KEYS:
        return None
    first, known = parts[0], kind.known
    if first in known and (len(parts) == 1 or not known[first] or parts[1] in known[first]):
        return None
    return no_such_setting(".".join(parts), kind.name, known)


def _may_bring_classes(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_may_bring_classes, value.values() if isinstance(value, dict) else value))
    named = isinstance(value, str) and re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", value)
    return bool(named) and not str(value).startswith(_LIBRARIES)
