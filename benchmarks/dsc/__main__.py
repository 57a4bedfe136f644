"""`python -m benchmarks.dsc`: hold the contests and keep their results."""

import argparse
from pathlib import Path

from benchmarks.dsc.solvers import PATHS, contests
from benchmarks.record import hold_all

PACKAGES = ("torch", "numpy", "numba", "sparsefront")


def main() -> None:
    """Hold the contests asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dsc", description=__doc__)
    parser.add_argument("--paths", nargs="+", default=list(PATHS), choices=PATHS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "dsc.json")
    options = parser.parse_args()
    hold_all(
        "benchmarks.dsc",
        options.paths,
        contests,
        options.results,
        options.threads,
        PACKAGES,
    )


if __name__ == "__main__":
    main()
