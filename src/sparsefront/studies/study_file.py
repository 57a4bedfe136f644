"""The YAML file of a study."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sparsefront.common.home import at_home
from sparsefront.common.packaged_configs import with_packaged
from sparsefront.studies.axes import Axis, Point, along, named_at, points
from sparsefront.studies.study import Study
from sparsefront.studies.system import RUN_DIR, Layer, System, inline, names
from sparsefront.studies.yaml_file import check_keys, load

STUDY = ("run_dir", "configs", "settings", "axes", "systems")
SYSTEM = ("configs", "settings", "axes", "fit", "test")
REPORT = ("report.html", "table.md", "table.csv", "seeds.csv")


def read_study(path: Path, run_dir: Path | None = None, more: Sequence[str] = ()) -> Study:
    """Read the systems of a study.

    Args:
        path: the YAML file, whose keys are `run_dir`, `configs`, `settings`, `axes` and `systems`. What it names in
            `lightning_configs/` is first looked for in the copy of that folder that it is in, if it is in one.
        run_dir: in place of the file's.
        more: further arguments of every `sparsefront fit` and `test`.

    Returns:
        The study; the needs of its systems are those before them whose folders they name.

    Raises:
        ValueError: the file, or a config file that it names, is missing or not of that form.
    """
    path = Path(with_packaged(str(path)))
    content = load(path, "The study")
    check_keys(content, STUDY, f"`{path}`")
    found = run_dir or content.get("run_dir") or f"runs/{path.stem}"
    if not isinstance(found, str | Path):
        raise ValueError(f"`run_dir` of {path} must be a folder, found {found!r}; name one, e.g. runs/{path.stem}.")
    folder = at_home(Path(found))
    if not (axes := _axes(content, f"`{path}`")):
        return Study(folder, _systems(content, path, folder, more))
    systems: list[System] = []
    for point in points(axes):
        # Each point is the study in a folder of its own, so that its systems find each other.
        systems += _systems(content, path, folder / point.label, (*more, *point.arguments), point)
    return Study(folder, tuple(systems))


def _systems(
    content: dict[str, Any], path: Path, folder: Path, more: Sequence[str], point: Point | None = None
) -> tuple[System, ...]:
    """The systems of a study in a folder, under their names at a point."""
    entries = content.get("systems")
    if not isinstance(entries, dict) or not entries:
        raise ValueError(
            f"`systems` of {path} must hold at least one name with its `configs` and `settings`, found {entries!r}; "
            "add e.g. `natural: {configs: [lightning_configs/classifiers/convnet.yaml]}`."
        )
    common = _layers(content, f"`{path}`", folder, path)
    systems: list[System] = []
    for name, entry in entries.items():
        _check_name(name)
        own, where = ({} if entry is None else entry), f"system `{name}`"
        check_keys(own, SYSTEM, where)
        layers = (*common, *_layers(own, where, folder, path))
        fit, test = _switch(own, "fit", name), _switch(own, "test", name)
        if not (fit or test):
            raise ValueError(f"`fit` or `test` of {where} must be true, found both false; leave one out.")
        system = System(name, folder / name, layers, tuple(more), fit=fit, test=test, home=folder)
        system = system if point is None else named_at(system, point)
        axes = _axes(own, where)
        systems += along(system, axes, system.folder) if axes else [system]
    return with_needs(systems)


def _axes(content: dict[str, Any], where: str) -> list[Axis]:
    axes = content.get("axes") or {}
    lists = isinstance(axes, dict) and all(isinstance(value, list) and value for value in axes.values())
    if not lists or not all(isinstance(name, str) for name in axes):
        raise ValueError(
            f"`axes` of {where} must be lists of values by the dotted names of settings, found {axes!r}; write e.g. "
            "{seed_everything: [0, 1, 2]}."
        )
    return [Axis(name, tuple(map(_word, values))) for name, values in axes.items()]


def _word(value: Any) -> str:
    """As on the command line."""
    return value if isinstance(value, str) else json.dumps(value)


def _switch(entry: dict[str, Any], key: str, name: str) -> bool:
    value = entry.get(key, True)
    if not isinstance(value, bool):
        without = {"fit": "tests it as built", "test": "keeps the validation of its fit for its results"}[key]
        raise ValueError(f"`{key}` of system `{name}` must be true or false, found {value!r}; false {without}.")
    return value


def _check_name(name: Any) -> None:
    if not isinstance(name, str):
        raise ValueError(f"`systems` must have names that are texts, found {name!r}; put it in quotes.")
    if not name or name != name.strip() or name.startswith(".") or name in REPORT or set(name) & set('/\\:*?"<>|\0\n'):
        raise ValueError(
            f"`systems` must have names that can be folders beside the report, found {name!r}; use letters, digits, "
            "_ and -."
        )


def _layers(content: dict[str, Any], where: str, folder: Path, study: Path) -> tuple[Layer, ...]:
    paths, settings = content.get("configs") or [], content.get("settings") or {}
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ValueError(f"`configs` of {where} must be a list of YAML files, found {paths!r}; write [a.yaml, b.yaml].")
    if not isinstance(settings, dict):
        raise ValueError(
            f"`settings` of {where} must be settings of `sparsefront fit` by name, found {settings!r}; write them "
            "as in its YAML files."
        )
    words = [with_packaged(_filled(path, folder), study) for path in paths]
    layers = [Layer(word, load(Path(word), f"`configs` of {where}")) for word in words]
    return (*layers, inline(_filled(settings, folder))) if settings else tuple(layers)


def _filled(value: Any, folder: Path) -> Any:
    """With the study's folder in the place of `{run_dir}`."""
    if isinstance(value, str):
        return value.replace(RUN_DIR, str(folder))
    if isinstance(value, dict):
        return {key: _filled(item, folder) for key, item in value.items()}
    return [_filled(item, folder) for item in value] if isinstance(value, list) else value


def with_needs(systems: Sequence[System]) -> tuple[System, ...]:
    """Return the systems with what each needs: those whose folders its settings name.

    Raises:
        ValueError: one comes before what it needs.
    """
    done: list[System] = []
    for system in systems:
        given = [layer.settings for layer in system.layers]
        named = {other.name for other in systems if other.name != system.name and names(given, other.folder)}
        if late := [other.name for other in systems[len(done) + 1 :] if other.name in named]:
            raise ValueError(
                f"`systems` must come after those whose files they name, found {system.name} before {late[0]}; put "
                f"{late[0]} first."
            )
        done.append(replace(system, needs=tuple(other for other in done if other.name in named)))
    return tuple(done)
