"""Several tests, each in a process of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from sparsefront.common.long_work import on_a_terminal, say
from sparsefront.studies.separate_run import LOG, separate_run


def separate_tests(tests: Mapping[Path, Sequence[str]]) -> list[Path]:
    """Run `sparsefront test` into each folder that has no results yet, under a progress bar.

    A failing test is reported; the others still run.

    Args:
        tests: the arguments of `sparsefront test`, without `--run_dir`, by the folder to write to.

    Returns:
        The folders that have no results all the same.
    """
    shown = tqdm(tests.items(), disable=None)  # on a terminal
    for folder, arguments in shown:
        shown.set_postfix_str(folder.name)
        if not has_results(folder) and not separate_run("test", folder, arguments):
            tqdm.write(f"{folder.name} failed; see {folder / LOG}")
        elif not on_a_terminal():
            say(f"{folder.name}: tested")
    return [folder for folder in tests if not has_results(folder)]


def has_results(folder: Path) -> bool:
    """Whether a test has written what became of each attack, into the folder or a version inside it."""
    return any(folder.rglob("results/test_attacks.json"))
