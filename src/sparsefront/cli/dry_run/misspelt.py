"""Misspelt classes of the project and misspelt settings of theirs, seen before anything is imported to build them.

What this does not know, such as a class of the user's, passes here: the parser looks at everything again.
"""

import re
from collections.abc import Sequence
from typing import Any

from sparsefront.cli.flags import flags_of, flat
from sparsefront.cli.messages.class_sentences import unknown_class
from sparsefront.cli.messages.message_place import Place
from sparsefront.cli.messages.messages import of_entry
from sparsefront.cli.messages.setting_sentences import no_such_setting
from sparsefront.cli.source_index import SourceClass, public_class

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
    """Look at the classes that a command line and its configuration files name, and at the names of their settings.

    Args:
        words: of the command line; its configuration files can be read.

    Raises:
        ValueError: a class of the project, or a setting of one, that is not there.
    """
    settings = [one for flag in flags_of(words) for one in flag.settings()]
    if any(_may_bring_classes(value) for _, value in settings):
        return  # a module of the user's, whose classes may go by short names too
    for place in ("model.frontend", "model.classifier", "data"):
        _check_place(place, [(name, value) for name, value in settings if f"{name}.".startswith(f"{place}.")])
    _check_attacks([(name, value) for name, value in settings if name in ("attacks", "attacks+")])


def _check_place(place: str, settings: Sequence[tuple[str, Any]]) -> None:
    """Look at one setting that names a class, and at that class's settings; what a later class replaces is let be."""
    kind: SourceClass | None = None
    refused: str | None = None
    for name, value in settings:
        if name == place:
            kind = _kind(place, value)
            refused = unknown_class(Place(place), value) if kind is None and _must_be_ours(place, value) else None
        else:
            refused = refused or _no_setting(kind, name.removeprefix(f"{place}."))
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
    given = value.get("init_args") if isinstance(value, dict) else None
    names = (name for name, _ in flat(given)) if isinstance(given, dict) else ()
    return next(filter(None, (_no_setting(kind, name) for name in names)), None)


def _kind(place: str, value: Any) -> SourceClass | None:
    package, ancestor = _CLASSES[place]
    name = value.removeprefix(f"sparsefront.{package}.") if isinstance(value, str) else ""
    kind = public_class(package, name)
    return kind if kind is not None and (not ancestor or ancestor in kind.ancestors) else None


def _must_be_ours(place: str, value: Any) -> bool:
    """Whether what is named can only be a class of the project: torch's classify too, and go by short names."""
    return place != "model.classifier" and isinstance(value, str) and value.isidentifier()


def _no_setting(kind: SourceClass | None, name: str) -> str | None:
    """The sentence for a name that is no setting of a class, None where it is one or nobody knows."""
    if kind is None or kind.settings is None:
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
