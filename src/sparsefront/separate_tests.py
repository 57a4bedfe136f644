"""Several tests, each in a process of its own."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

LOG = "log.txt"


def separate_tests(tests: Mapping[Path, Sequence[str]]) -> list[Path]:
    """Run `sparsefront test` into each folder that has no results yet, under a progress bar.

    A process each, so that none is slowed, filled or stopped by what came before it; what it prints is in its folder's
    `log.txt`. One that fails is said and keeps the others from nothing.

    Args:
        tests: the arguments of `sparsefront test`, without `--run_dir`, by the folder to write to.

    Returns:
        The folders that have no results all the same.
    """
    shown = tqdm(tests.items())
    for folder, arguments in shown:
        shown.set_postfix_str(folder.name)
        if not has_results(folder):
            _test(folder, arguments)
    return [folder for folder in tests if not has_results(folder)]


def has_results(folder: Path) -> bool:
    """Whether a test has written what became of each attack, into the folder or a version inside it."""
    return any(folder.rglob("results/test_attacks.json"))


def _test(folder: Path, arguments: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "sparsefront.cli", "test", *arguments, "--run_dir", str(folder)]
    with (folder / LOG).open("w") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        tqdm.write(f"{folder.name} failed; see {folder / LOG}")
