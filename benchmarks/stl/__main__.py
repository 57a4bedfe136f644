"""`python -m benchmarks.stl`: hold the contests and keep their results."""

import argparse
import importlib
import warnings
from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.record import hold_all
from benchmarks.stl.inputs import Inputs

PATHS = ("coding", "growth", "learning", "epoch")
PACKAGES = ("torch", "numba", "numpy", "sporco", "pytorch-lightning", "sparsefront")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stl", description=__doc__)
    parser.add_argument("--paths", nargs="+", default=list(PATHS), choices=PATHS)
    parser.add_argument("--images", default="", help="a tree of 32x32 pictures; absent, CIFAR-10 is downloaded")
    parser.add_argument("--root", default="data", help="folder of the download and of front ends that have learned")
    parser.add_argument("--large_images", default="", help="a tree of larger pictures; absent: those of scikit-image")
    parser.add_argument("--sides", nargs="+", type=int, default=[32, 64, 128, 224], choices=[32, 64, 128, 224])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "stl.json")
    return parser.parse_args()


def main() -> None:
    """Hold the contests asked for."""
    options = parse()
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    inputs = Inputs(options.images, options.root, options.large_images)
    with threadpool_limits(options.threads):  # NumPy's products
        hold_all(
            "benchmarks.stl",
            options.paths,
            lambda path: importlib.import_module(f"benchmarks.stl.{path}").contests(inputs, options.sides),
            options.results,
            options.threads,
            PACKAGES,
        )


if __name__ == "__main__":
    main()
