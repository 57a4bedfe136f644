"""What a fit or a test of a system is made with: the one notion of "the same as before"."""

import json
from collections.abc import Iterable
from typing import Any

from sparsefront.runs.settings_differences import flat
from sparsefront.studies.named_code import code_of
from sparsefront.studies.named_files import arguments_by_name, contents, digests, portable
from sparsefront.studies.system import System, names, strings

ONLY_JUDGING = ("attacks", "evaluation", "analysis")


def test_of(system: System) -> dict[str, Any]:
    """All settings, with the contents of the files and the code that they name.

    Those of the systems that it needs count as well, because their checkpoints follow from them.
    """
    made = _made_with(system, [layer.settings for layer in system.layers])
    made["needs"] = {other.name: fit_of(other) for other in system.needs}
    return _plain(made if system.fit else made | {"fit": False})


def fit_of(system: System) -> dict[str, Any]:
    """Say what a fit follows from: not the attacks, unless training watches what they leave standing."""
    layers = [layer.settings for layer in system.layers]
    if system.test and not any("robust_acc" in text for text in strings(layers)):
        layers = [{key: layer[key] for key in layer if str(key).rstrip("+") not in ONLY_JUDGING} for layer in layers]
    made = _made_with(system, [layer for layer in layers if layer])
    made["needs"] = {other.name: fit_of(other) for other in system.needs if names(layers, other.folder)}
    return _plain(made)


def difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The first settings that are others, in words."""
    if not before or before.get("fit") != now.get("fit"):
        return "fit"
    old, new = (by_name([*one.get("layers", []), *one.get("arguments", [])]) for one in (before, now))
    if others := _unlike(old, new):
        return ", ".join(others[:3])
    for what, said in (("files", "the content of {}"), ("code", "the code of {}")):
        if others := _unlike(before.get(what, {}), now.get(what, {})):
            return said.format(", ".join(others[:3]))
    return "those of a system that it needs" if before.get("needs") != now["needs"] else "their order"


def by_name(given: Iterable[Any]) -> dict[str, Any]:
    """The last value of each setting by its dotted name, all spellings of a value in one form.

    Args:
        given: nested settings, and words of a command line.
    """
    found: dict[str, Any] = {}
    for name, value in arguments_by_name(given):
        settings = value if name == "" else {name.replace(".init_args", ""): value}
        for key, setting in flat(settings) if isinstance(settings, dict) else []:
            value = setting.compared
            appended = key.endswith("+") and isinstance(value, list)
            key = key.removesuffix("+")
            found[key] = [*(found.get(key) or []), *value] if appended else value
    return found


def _made_with(system: System, layers: list[dict[str, Any]]) -> dict[str, Any]:
    home = system.home or system.folder.parent
    arguments = contents(system.more)
    given = [*layers, *arguments]
    made = {"layers": layers, "arguments": arguments, "files": digests(given, home)}
    return {key: portable(value, home) for key, value in made.items()} | {"code": code_of(given)}


def _unlike(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    absent = object()
    return [key for key in dict.fromkeys([*new, *old]) if old.get(key, absent) != new.get(key, absent)]


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """As they are read again."""
    plain: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    return plain
