"""What has been done of a system, and with which settings."""

import json
from typing import Any

from sparsefront.common.atomic_file import write_atomically
from sparsefront.common.checkpoints.run_folder import has_checkpoint
from sparsefront.results.result_files import read_json
from sparsefront.studies.separate_tests import has_results
from sparsefront.studies.system import System, names, strings

FILE = "study.json"
ONLY_JUDGING = ("attacks", "evaluation", "analysis")


def begin_fit(system: System) -> None:
    """Note what a fit is about to be made with."""
    _write(system, {"fit": _of_fit(system), "fitted": False})


def end_fit(system: System) -> None:
    """Note that the fit came to its end."""
    _write(system, _read(system) | {"fitted": True})


def begin_test(system: System) -> None:
    """Note what a test is about to be made with."""
    _write(system, _read(system) | {"test": _of_test(system), "tested": False})


def end_test(system: System) -> None:
    """Note that the test came to its end."""
    _write(system, _read(system) | {"tested": True})


def is_fitted(system: System) -> bool:
    """Whether a fit came to its end, or none is wanted."""
    return not system.fit or bool(_read(system).get("fitted"))


def is_done(system: System) -> bool:
    """Whether there is nothing left to do."""
    return is_fitted(system) and bool(_read(system).get("tested")) and has_results(system.folder)


def check_same(system: System) -> None:
    """Raise a ValueError if the system's folder has anything that would now be made with other settings."""
    record, folder = _read(system), system.folder
    begun = has_results(folder) or has_checkpoint(folder)
    rule = f"The study's folder must hold runs of the same settings, found in {folder}"
    if begun and not record:
        raise ValueError(f"{rule} one that is not of this study; name another `run_dir`.")
    if begun and system.fit and record.get("fit") != _of_fit(system):
        what = _difference(record.get("fit", {}), _of_fit(system))
        raise ValueError(f"{rule} a fit of other ones ({what}); name another `run_dir`, or delete this folder.")
    if has_results(folder) and record.get("test") != _of_test(system):
        what = _difference(record.get("test", {}), _of_test(system))
        found = next(folder.rglob("results/test_attacks.json")).parents[1]
        raise ValueError(f"{rule} a test of other ones ({what}); delete {found} to test anew, or restore them.")


def _of_test(system: System) -> dict[str, Any]:
    """All settings; those of the systems it needs as well, because their checkpoints follow from them."""
    return _plain(
        {
            "layers": [layer.settings for layer in system.layers],
            "more": system.more,
            "needs": {other.name: _of_fit(other) for other in system.needs},
            **({} if system.fit else {"fit": False}),
        }
    )


def _of_fit(system: System) -> dict[str, Any]:
    """Those that a fit follows from: not the attacks, unless training watches what they leave standing."""
    layers = [layer.settings for layer in system.layers]
    if not any("robust_acc" in text for text in strings(layers)):
        layers = [{key: layer[key] for key in layer if str(key).rstrip("+") not in ONLY_JUDGING} for layer in layers]
    needs = {other.name: _of_fit(other) for other in system.needs if names(layers, other.folder)}
    return _plain({"layers": [layer for layer in layers if layer], "more": system.more, "needs": needs})


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The first settings that are others."""
    if not before or before.get("fit") != now.get("fit"):
        return "fit"
    old, new = ({key: repr(value) for key, value in _flat(one.get("layers", [])).items()} for one in (before, now))
    keys = [key for key in dict.fromkeys([*new, *old]) if old.get(key) != new.get(key)]
    if keys:
        return ", ".join(keys[:3])
    if before.get("more") != now["more"]:
        return "further arguments"
    return "those of a system that it needs" if before.get("needs") != now["needs"] else "their order"


def _flat(layers: list[dict[str, Any]], start: str = "") -> dict[str, Any]:
    """The last value of each setting by its dotted name."""
    found: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            name = f"{start}{key.rstrip('+')}"
            if isinstance(value, dict):
                found |= _flat([value], f"{name}.")
            else:
                found[name] = [*found.get(name, []), *value] if key.endswith("+") and isinstance(value, list) else value
    return found


def _read(system: System) -> dict[str, Any]:
    path = system.folder / FILE
    mend = "delete the folder to run the system anew"
    return read_json(path, (), mend, to_show=False).mapping() if path.is_file() else {}


def _write(system: System, record: dict[str, Any]) -> None:
    write_atomically(system.folder / FILE, json.dumps(record, indent=1))


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """As they are read again."""
    plain: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    return plain
