"""`python -m benchmarks`: hold all folders' contests, one after the other, and write the tables of their results."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.record import n_threads
from benchmarks.table import TABLE, table, tables
from sparsefront.common.atomic_file import write_atomically

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
_LOSS = 0.85  # of a ratio, beyond which it counts as one
FOLDERS = ("cpu", "stl", "dsc", "filters", "top_t", "mixed_search", "attacks")
MODULES = {"mixed_search": "benchmarks.mixed_search.colour"}  # of a folder whose contests are not its `__main__`


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--folders", nargs="*", default=list(FOLDERS), choices=FOLDERS, help="none: write the tables alone"
    )
    parser.add_argument(
        "--images", help="a folder of 32x32 pictures by class, for those that take one; absent: CIFAR-10"
    )
    parser.add_argument("--threads", type=int, help="of torch; absent: each folder's own")
    parser.add_argument("--weights", help="of an adversarially trained ResNet32, for `attacks`")
    return parser.parse_args()


def main() -> None:
    """Hold them, each in a process of its own; one that fails keeps none of the others from theirs."""
    options = parse()
    before = ratios(results())
    failed = [folder for folder in options.folders if subprocess.run(_command(folder, options), check=False).returncode]
    for path in sorted(HERE.glob("*/results/*.json")):
        if contests := json.loads(path.read_text()).get("contests"):
            _end(path.parents[1] / "README.md", tables(contests))
    _end(PAGE, table(results()))
    print(table(results()), end="")
    for what, (then, now) in slower(before, ratios(results())).items():
        print(f"Slower beside its rival than before: {', '.join(map(str, what))}: {then:.2f}, now {now:.2f}.")
    if failed:
        sys.exit(f"benchmarks: {', '.join(failed)} failed, see above.")


def ratios(contests: list[dict[str, Any]]) -> dict[tuple[str | int, ...], float]:
    """How many times as fast, by path, setting, threads, ours and rival."""
    return {
        (contest["path"], contest["setting"], n_threads(contest), ratio["ours"], ratio["rival"]): ratio["ratio"]
        for contest in contests
        for ratio in contest["ratios"]
    }


def slower(
    before: dict[tuple[str | int, ...], float], now: dict[tuple[str | int, ...], float]
) -> dict[tuple[str | int, ...], tuple[float, float]]:
    """Those that fell further than what a shared machine does to a ratio, with both ratios."""
    both = {what: (ratio, now[what]) for what, ratio in before.items() if what in now}
    return {what: (then, after) for what, (then, after) in both.items() if after < _LOSS * then}


def _end(page: Path, rows: str) -> None:
    """Put the rows in the place of the table that a page ends with."""
    text, _, _ = page.read_text().partition(TABLE)
    write_atomically(page, text + rows)


def results() -> list[dict[str, Any]]:
    """All contests that ask for a ratio, in the order of the folders."""
    files = [path for folder in FOLDERS for path in sorted((HERE / folder / "results").glob("*.json"))]
    found = (json.loads(path.read_text()).get("contests", []) for path in files)
    # Without paces: each folder counts something else.
    return [{**contest, "unit": ""} for contests in found for contest in contests if contest["ratios"]]


def _command(folder: str, options: argparse.Namespace) -> list[str]:
    images = ["--images", options.images] if options.images and folder in ("cpu", "stl", "attacks") else []
    weights = ["--weights", options.weights] if options.weights and folder == "attacks" else []
    threads = ["--threads", str(options.threads)] if options.threads else []
    return [sys.executable, "-m", MODULES.get(folder, f"benchmarks.{folder}"), *images, *weights, *threads]


if __name__ == "__main__":
    main()
