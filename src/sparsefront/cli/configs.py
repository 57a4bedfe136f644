"""`sparsefront configs`: the configuration files that come with the package."""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from sparsefront.cli.exit_with import exit_with
from sparsefront.common.home import at_home
from sparsefront.common.packaged_configs import FOLDER, packaged_names


def configs(words: Sequence[str]) -> None:
    """List the files, or copy them to a folder.

    Args:
        words: what follows `configs` on the command line: nothing, or `copy` and a folder.
    """
    parser = argparse.ArgumentParser(
        prog="sparsefront configs",
        description="List the configuration files that `--config` finds by these names wherever sparsefront is called.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    copy = actions.add_parser("copy", help="write them to a folder, to be changed there")
    copy.add_argument("folder", metavar="DIR", type=Path, help="one that is not there yet, or empty")
    given = parser.parse_args(words)
    if given.action is None:
        print("\n".join(packaged_names()))
    else:
        _copy(given.folder)


def _copy(folder: Path) -> None:
    target = at_home(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        exit_with(f"`DIR` must be a folder that is not there yet or is empty, found {folder}; name another.")
    try:
        for name in packaged_names():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(FOLDER / name, target / name)
    except OSError as error:
        exit_with(f"`DIR` must be a folder that can be written to, found {folder} ({error.strerror}); name another.")
    print(target)
