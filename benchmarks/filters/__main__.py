"""`python -m benchmarks.filters`: hold the contests and keep their results."""

import argparse
import importlib
from pathlib import Path

import cv2
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.record import hold_all

PATHS = ("region_sparse", "alone")
PACKAGES = ("torch", "opencv-python-headless", "scikit-image", "scikit-learn", "kornia", "numpy", "sparsefront")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.filters", description=__doc__)
    parser.add_argument("--paths", nargs="+", default=list(PATHS), choices=PATHS)
    parser.add_argument("--images", default="", help="a folder of pictures; absent: those scikit-image brings along")
    parser.add_argument("--number", type=int, default=8, help="images in a batch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "filters.json")
    return parser.parse_args()


def main() -> None:
    """Hold the contests asked for."""
    options = parse()
    cv2.setNumThreads(options.threads)
    with threadpool_limits(options.threads):  # NumPy's and scikit-learn's products
        hold_all(
            "benchmarks.filters",
            options.paths,
            lambda path: importlib.import_module(f"benchmarks.filters.{path}").contests(options.images, options.number),
            options.results,
            options.threads,
            PACKAGES,
        )


if __name__ == "__main__":
    main()
