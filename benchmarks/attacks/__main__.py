"""`python -m benchmarks.attacks`: hold the contests and keep their results."""

import argparse
import importlib
from pathlib import Path

from benchmarks.attacks.inputs import Inputs
from benchmarks.record import hold_all

PATHS = ("step", "bounded", "least", "saliency", "warm", "undefended", "defaults", "protocol")
PACKAGES = ("torch", "foolbox", "adversarial-robustness-toolbox", "pyautoattack", "sparsefront")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks", description=__doc__)
    parser.add_argument("--paths", nargs="+", default=list(PATHS), choices=PATHS)
    parser.add_argument(
        "--weights", help="of a sparsefront.classifiers.ResNet32, best trained adversarially; not for digits"
    )
    parser.add_argument("--images", default="", help="a folder of 32x32 test pictures by class; absent: CIFAR-10")
    parser.add_argument("--root", default="data", help="folder of the download")
    parser.add_argument(
        "--number",
        type=int,
        default=20,
        help="images; 5 or more times as many for PGD, DeepFool, JSMA and warm, half for AA",
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "attacks.json")
    return parser.parse_args()


def main() -> None:
    """Hold the contests asked for."""
    options = parse()
    inputs = Inputs(options.weights, options.images, options.root)
    hold_all(
        "benchmarks.attacks",
        options.paths,
        lambda path: importlib.import_module(f"benchmarks.attacks.{path}").contests(inputs, options.number),
        options.results,
        options.threads,
        PACKAGES,
    )


if __name__ == "__main__":
    main()
