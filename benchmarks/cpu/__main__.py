"""`python -m benchmarks.cpu`: hold the contests and keep their results."""

import argparse
import importlib
import warnings
from pathlib import Path

from sklearn.exceptions import ConvergenceWarning

from benchmarks.cpu.inputs import Inputs
from benchmarks.record import hold_all
from sparsecode import NotConverged

PATHS = ("omp", "lasso", "cbpdn", "lca", "dictionary_learning")
PACKAGES = ("torch", "numba", "numpy", "scikit-learn", "spams-bin", "sporco", "sparsefront")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cpu", description=__doc__)
    parser.add_argument("--paths", nargs="+", default=list(PATHS), choices=PATHS)
    parser.add_argument("--images", default="", help="a tree of 32x32 pictures; absent, CIFAR-10 is downloaded")
    parser.add_argument("--root", default="data", help="folder of the download")
    parser.add_argument("--large_images", default="", help="a tree of larger pictures, for 224x224; absent, left out")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "solvers.json")
    return parser.parse_args()


def main() -> None:
    """Hold the contests asked for."""
    options = parse()
    warnings.simplefilter("ignore", NotConverged)  # the published LCA stops after 600 steps, at rest or not
    warnings.simplefilter("ignore", ConvergenceWarning)  # scikit-learn's dictionary learner stops its coder early
    warnings.filterwarnings("ignore", "Orthogonal matching pursuit ended prematurely", RuntimeWarning)
    inputs = Inputs(options.images, options.root, options.large_images)
    hold_all(
        "benchmarks.cpu",
        options.paths,
        lambda path: importlib.import_module(f"benchmarks.cpu.{path}").contests(inputs),
        options.results,
        options.threads,
        PACKAGES,
    )


if __name__ == "__main__":
    main()
