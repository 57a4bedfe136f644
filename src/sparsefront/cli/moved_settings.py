"""Settings of a run whose folder was moved since they were written."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace
from pytorch_lightning.utilities import rank_zero_info

from sparsefront.common.home import at_home
from sparsefront.runs.moved_run import moved_paths, moved_run, said_folder


def follow_moved_run(config: Namespace, words: Sequence[str], files: Sequence[Path]) -> None:
    """Let paths into a run's folder follow it to where its configuration is, in place, and say so.

    Args:
        config: the settings.
        words: of the command line; what it names itself stays.
        files: the configuration files of the command.
    """
    said = said_folder(files)
    home = None if said is None else moved_run(said, files)
    if said is None or home is None:
        return
    given = [word.split("=")[0].removeprefix("--") for word in words]
    if "run_dir" not in given and at_home(config["run_dir"]) == said:
        rank_zero_info(f"`run_dir` is {home}, where the configuration is, no longer {config['run_dir']}.")
        config["run_dir"] = config["trainer"]["default_root_dir"] = home
    for name, path in moved_paths(config, said, home, given).items():
        rank_zero_info(f"`{name}` is {path}, in the folder where the configuration is, no longer {config[name]}.")
        config[name] = path
