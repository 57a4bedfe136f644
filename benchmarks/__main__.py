"""`python -m benchmarks`: hold the contests of all folders, one after the other, and write one table of all results."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.table import HEAD, table
from sparsefront.common.atomic_file import write_atomically

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
FOLDERS = ("cpu", "stl", "dsc", "filters", "top_t", "mixed_search", "attacks")
MODULES = {"mixed_search": "benchmarks.mixed_search.colour"}  # of a folder whose contests are not its `__main__`


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--folders", nargs="*", default=list(FOLDERS), choices=FOLDERS, help="none: write the table alone"
    )
    parser.add_argument(
        "--images", help="a folder of 32x32 pictures by class, for those that take one; absent: CIFAR-10"
    )
    parser.add_argument("--weights", help="of an adversarially trained ResNet32, for `attacks`")
    return parser.parse_args()


def main() -> None:
    """Hold them, each in a process of its own; one that fails keeps none of the others from theirs."""
    options = parse()
    failed = [folder for folder in options.folders if subprocess.run(_command(folder, options), check=False).returncode]
    head, _, _ = PAGE.read_text().partition(HEAD.split("{}")[0])
    write_atomically(PAGE, head + table(results()))
    print(table(results()), end="")
    if failed:
        sys.exit(f"benchmarks: {', '.join(failed)} failed, see above.")


def results() -> list[dict[str, Any]]:
    """All contests that ask for a ratio, in the order of the folders."""
    files = [path for folder in FOLDERS for path in sorted((HERE / folder / "results").glob("*.json"))]
    found = (json.loads(path.read_text()).get("contests", []) for path in files)
    # Without paces: each folder counts something else.
    return [{**contest, "unit": ""} for contests in found for contest in contests if contest["ratios"]]


def _command(folder: str, options: argparse.Namespace) -> list[str]:
    images = ["--images", options.images] if options.images and folder in ("cpu", "stl", "attacks") else []
    weights = ["--weights", options.weights] if options.weights and folder == "attacks" else []
    return [sys.executable, "-m", MODULES.get(folder, f"benchmarks.{folder}"), *images, *weights]


if __name__ == "__main__":
    main()
