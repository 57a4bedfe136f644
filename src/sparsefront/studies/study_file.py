"""The YAML file of a study."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from sparsefront.common.home import at_home
from sparsefront.studies.study import Study, near
from sparsefront.studies.system import RUN_DIR, Layer, System, inline, names

STUDY = ("run_dir", "configs", "settings", "systems")
SYSTEM = ("configs", "settings", "fit", "test")
REPORT = ("report.html", "table.md", "table.csv")


def read_study(path: Path, run_dir: Path | None = None, more: Sequence[str] = ()) -> Study:
    """Read the systems of a study.

    Args:
        path: the YAML file, whose keys are `run_dir`, `configs`, `settings` and `systems`.
        run_dir: in place of the file's.
        more: further arguments of every `sparsefront fit` and `test`.

    Returns:
        The study; the needs of its systems are those before them whose folders they name.

    Raises:
        ValueError: the file, or a config file that it names, is missing or not of that form.
    """
    content = _load(path, "The study")
    _check_keys(content, STUDY, f"`{path}`")
    found = run_dir or content.get("run_dir") or f"runs/{path.stem}"
    if not isinstance(found, str | Path):
        raise ValueError(f"`run_dir` of {path} must be a folder, found {found!r}; name one, e.g. runs/{path.stem}.")
    folder = at_home(Path(found))
    entries = content.get("systems")
    if not isinstance(entries, dict) or not entries:
        raise ValueError(
            f"`systems` of {path} must hold at least one name with its `configs` and `settings`, found {entries!r}; "
            "add e.g. `natural: {configs: [lightning_configs/classifiers/convnet.yaml]}`."
        )
    common = _layers(content, f"`{path}`", folder)
    systems: list[System] = []
    for name, entry in entries.items():
        _check_name(name)
        own = {} if entry is None else entry
        _check_keys(own, SYSTEM, f"system `{name}`")
        layers = (*common, *_layers(own, f"system `{name}`", folder))
        fit, test = _switch(own, "fit", name), _switch(own, "test", name)
        if not (fit or test):
            raise ValueError(f"`fit` or `test` of system `{name}` must be true, found both false; leave one out.")
        systems.append(System(name, folder / name, layers, tuple(more), fit=fit, test=test, home=folder))
    return Study(folder, with_needs(systems))


def _load(path: Path, what: str) -> dict[str, Any]:
    path = at_home(path)
    if not path.is_file():
        beside = [str(path.with_name(other.name)) for other in path.parent.glob("*.y*ml")]
        raise ValueError(f"{what} must be a YAML file, found none at {path}; {near(str(path), beside)}")
    try:
        text = path.read_text(encoding="utf-8")
        _check_once(yaml.compose(text), path)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{what} must be YAML, found {' '.join(str(error).split())}; mend {path}.") from None
    if not isinstance(content, dict):
        raise ValueError(f"{what} must hold keys with their values, found {type(content).__name__} in {path}.")
    return content


def _check_once(node: yaml.Node | None, path: Path) -> None:
    """PyYAML would let the last of two entries of one name win, unsaid."""
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [key for key in dict.fromkeys(keys) if keys.count(key) > 1]:
            raise ValueError(f"Each key of {path} must be given once, found `{twice[0]}` twice; rename or drop one.")
    for part in node.value if isinstance(node, yaml.CollectionNode) else []:
        for inner in part if isinstance(part, tuple) else (part,):
            _check_once(inner, path)


def _check_keys(content: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(content, dict):
        raise ValueError(f"{where} must hold {', '.join(known[:-1])} and {known[-1]}, found {content!r}.")
    for key in content:
        if key not in known:
            raise ValueError(f"`{key}` is no key of {where}; {near(str(key), known)}")


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


def _layers(content: dict[str, Any], where: str, folder: Path) -> tuple[Layer, ...]:
    paths, settings = content.get("configs") or [], content.get("settings") or {}
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ValueError(f"`configs` of {where} must be a list of YAML files, found {paths!r}; write [a.yaml, b.yaml].")
    if not isinstance(settings, dict):
        raise ValueError(
            f"`settings` of {where} must be settings of `sparsefront fit` by name, found {settings!r}; write them "
            "as in its YAML files."
        )
    words = [_filled(path, folder) for path in paths]
    layers = [Layer(word, _load(Path(word), f"`configs` of {where}")) for word in words]
    return (*layers, inline(_filled(settings, folder))) if settings else tuple(layers)


def _filled(value: Any, folder: Path) -> Any:
    """With the study's folder in the place of `{run_dir}`."""
    if isinstance(value, str):
        return value.replace(RUN_DIR, str(folder))
    if isinstance(value, dict):
        return {key: _filled(item, folder) for key, item in value.items()}
    return [_filled(item, folder) for item in value] if isinstance(value, list) else value


def with_needs(systems: Sequence[System]) -> tuple[System, ...]:
    """The same systems, which know what they need.

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
