"""Runs that are no longer where they were made."""

from collections.abc import Iterable
from pathlib import Path

import yaml

from sparsefront.common.home import at_home


def moved_run(run_dir: str, configs: Iterable[Path]) -> str | None:
    """Where the run is whose configuration was given, if that is not where it says.

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
        if not version.name.removeprefix("version_").isdecimal() or config.name != "config.yaml":
            continue
        said = yaml.safe_load(config.read_text(encoding="utf-8"))
        own = isinstance(said, dict) and at_home(str(said.get("run_dir"))) == at_home(run_dir)
        home = version.parent if own else None
    if home is None or home == Path(at_home(run_dir)).resolve():
        return None
    here = Path.cwd().resolve()
    return str(home.relative_to(here) if home.is_relative_to(here) and home != here else home)
