"""Sentences about a setting whose value should name a class."""

import re
import sys

from sparsefront.cli.messages.message_place import Place
from sparsefront.cli.source.index import public_class, public_names
from sparsefront.common.nearest import nearest
from sparsefront.common.shown import NULL

PLACES: dict[str, tuple[str | None, str, str]] = {
    "classifier": ("classifiers", "a classifier", "ConvNet"),
    "frontend": ("frontends", "a front end", "TopT"),
    "parts": ("frontends", "a front end", "JPEG"),
    "attack": ("attacks", "an attack", "PGD"),
    "view": ("attacks", "what an adversary knows", "WhiteBox"),
    "data": ("data", "a data set", "MNIST5k"),
    "objective": ("training.objectives", "an objective", "CrossEntropy"),
}
"""Of a setting that names a class: the package that holds those of the project, what they are, one of them."""
ANY_CLASS = (None, "a class", "")
SORTS = {"attack": "Attack", "view": "View", "objective": "Objective"}
"""Of a setting whose package holds other classes too: what its own inherit from."""
ENTRIES = ("attacks", "variants")
ATTACKS = "[{name: mine, attack: {class_path: PGD}}]"


def unknown_class(place: Place, word: str) -> str:
    """What is named is no class that is there."""
    last = place.setting.rpartition(".")[2]
    if last in ENTRIES:
        wanted = f"{place} must hold entries such as {ATTACKS[1:-1]}"
        return f"{wanted}, found {word or repr(word)}; give it a name so."
    package, kind, example = PLACES.get(last, ANY_CLASS)
    if last not in PLACES and place.owner:
        return f"{place} must be a number, or name a class as module.Class, found {word!r}."
    own = _names(last) if package is not None else []
    other = next((said for name, (_, said, _) in PLACES.items() if word in _names(name) and word not in own), None)
    if other and package is not None:
        return f"{place} must name {kind}, found {word}, which is {other}; write e.g. {example}."
    names = own if package is not None else {one for name in PLACES for one in _names(name)}
    near = [name for name in nearest(word, names) if name != word] if word else []
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    return f"{place} must name a class of the project or one of yours as module.Class, found {word or repr(word)}{hint}"


def _names(setting: str) -> list[str]:
    """The classes of the project that a setting of `PLACES` may name."""
    package, sort = PLACES[setting][0] or "", SORTS.get(setting)
    return [
        name
        for name in public_names(package)
        if sort is None or ((kind := public_class(package, name)) is not None and sort in kind.ancestors)
    ]


def no_module(found: re.Match[str], place: Place) -> str:
    """The module of the class is not there, or needs one that is not."""
    path = (place.found or "").strip()
    if path.endswith((".yaml", ".yml", ".json")):
        return file_for_entry(path, place)
    if path.partition(".")[0] == found[1].partition(".")[0]:
        return (
            f"{place} must name a class that can be imported, found {path}, and no module {found[1]}; run where "
            f"{found[1].partition('.')[0]}.py lies, or install its package."
        )
    return f"{place} must name a class that can be imported, found {path}, which needs a missing module {found[1]}."


def no_attribute(found: re.Match[str], place: Place) -> str:
    """The module has no class of that name."""
    module = sys.modules.get(found[1])
    near = nearest(found[2], [name for name in vars(module) if not name.startswith("_")]) if module else []
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; look into {found[1]}."
    return f"{place} must name a class that its module has, found {found[2]}, which is not in {found[1]}{hint}"


def file_for_entry(path: str, place: Place) -> str:
    """A file where an entry of a list should be."""
    return (
        f"`{place.setting}+` must be one entry such as {ATTACKS[1:-1]}, found the file {path}; write `--config {path}` "
        "in its place, whose list grows with `attacks+:`."
    )


def wrong_kind(found: re.Match[str], place: Place) -> str:
    """A class of another kind."""
    place.owner = ""
    _, kind, example = PLACES.get(place.setting.rpartition(".")[2], (None, f"a subclass of {found[2]}", ""))
    said = kind if found[2] in kind else f"{kind} (a subclass of {found[2]})"
    mend = f"write e.g. {example}" if example else "name another class"
    return f"{place} must name {said}, found {found[1]}, which is none; {mend}."


def a_module(found: re.Match[str], place: Place) -> str:
    """A path that ends where the class should follow."""
    _, kind, _ = PLACES.get(place.setting.rpartition(".")[2], ANY_CLASS)
    place.owner = ""
    return (
        f"{place} must name {kind}, found {found[1]}, which is a module; write {found[1]}.Class with the class's name."
    )


def no_class(found: re.Match[str], place: Place) -> str:
    """A sentence for a class path under which nothing is found."""
    _, kind, example = PLACES.get(place.setting.rpartition(".")[2], ANY_CLASS)
    mend = f"; write e.g. {example}." if example else "."
    value = (found[1] or place.found or "nothing").strip().rstrip(".")
    return f"{place} must name {kind}, found {NULL if value == 'None' else value}{mend}"


def several(found: re.Match[str], place: Place) -> str:
    """A short name that several classes have."""
    package, _, _ = PLACES.get(place.setting.rpartition(".")[2], ANY_CLASS)
    mend = "write one of them whole"
    if package is not None and found[1] in public_names(package):
        mend = f"write sparsefront.{package}.{found[1]}"
    return f"{place} must name one class, found {found[1]}, which several are called: {found[2].rstrip('.')}; {mend}."
