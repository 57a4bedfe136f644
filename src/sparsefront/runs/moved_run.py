"""Runs that were moved or copied."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from sparsefront.common.home import at_home
from sparsefront.common.run_versions import version_number

FROM_ELSEWHERE = ("ckpt_path", "evaluation.resume_from", "model.frontend_checkpoint", "model.classifier_checkpoint")
"""Settings that may name something in the run's own folder."""


def said_folder(configs: Iterable[Path]) -> str | None:
    """The `run_dir` in the last of the configurations that lie in a version of a run, None if none does."""
    said = None
    for config in configs:
        if _is_of_version(config):
            settings = yaml.safe_load(config.read_text(encoding="utf-8"))
            said = settings.get("run_dir") if isinstance(settings, dict) else None
    return None if said is None else str(at_home(str(said)))


def moved_paths(settings: Any, said: str, home: str, named: Iterable[str]) -> dict[str, str]:
    """Paths into the folder that a run was moved from, as paths into the folder where it is now.

    Args:
        settings: by dotted names.
        said: the folder that the run's configuration says.
        home: the one that the configuration is in.
        named: settings that were named apart from it, which mean what they say.

    Returns:
        The settings of `FROM_ELSEWHERE` that are other ones now, relative to `home` as they were to `said`.
    """
    moved, named_apart = {}, set(named)
    for name in FROM_ELSEWHERE:
        path = settings.get(name)
        if name in named_apart or not isinstance(path, str) or path in ("last", "best") or "://" in path:
            continue
        inside = _inside(Path(at_home(path)), Path(said))
        if inside is not None:
            moved[name] = str(Path(home) / inside)
    return moved


def _inside(path: Path, folder: Path) -> Path | None:
    inner, outer = (Path(os.path.abspath(at)) for at in (path, folder))  # as written: a link may be elsewhere by now
    return inner.relative_to(outer) if inner.is_relative_to(outer) else None


def _is_of_version(config: Path) -> bool:
    return version_number(config.resolve().parent) is not None and config.name == "config.yaml"


def moved_run(run_dir: str, configs: Iterable[Path]) -> str | None:
    """The folder of a moved run: where its configuration lies, if that is not the folder that it names.

    Args:
        run_dir: what is settled.
        configs: the configuration files given.

    Returns:
        The folder that the version of the last such file lies in, if `run_dir` is what that file says and another
        folder; else None.
    """
    home = None
    for config in configs:
        version = config.resolve().parent
        if not _is_of_version(config):
            continue
        said = yaml.safe_load(config.read_text(encoding="utf-8"))
        own = isinstance(said, dict) and at_home(str(said.get("run_dir"))) == at_home(run_dir)
        home = version.parent if own else None
    if home is None or home == Path(at_home(run_dir)).resolve():
        return None
    here = Path.cwd().resolve()
    return str(home.relative_to(here) if home.is_relative_to(here) and home != here else home)
