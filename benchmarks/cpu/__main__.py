"""`python -m benchmarks.cpu`: hold the contests and keep their results."""

import argparse
import importlib
import json
import os
import platform
import shlex
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from sklearn.exceptions import ConvergenceWarning

from benchmarks.cpu.contest import gemm_rate, hold
from benchmarks.cpu.inputs import Inputs
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


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {torch.backends.cpu.get_cpu_capability()}"


def show(entry: dict[str, Any], console: Console) -> None:
    """Print one contest."""
    table = Table(title=f"{entry['path']}: {entry['setting']}", title_justify="left")
    for name in ("", "ms", "of the floor", "against", "times as fast", "asked"):
        table.add_column(name)
    for name, seconds in entry["seconds"].items():
        share = f"{entry['floor_seconds'] / seconds:.0%}" if entry["floor_seconds"] else ""
        row = [name, f"{1000 * seconds:.1f}", share]
        ratios = [ratio for ratio in entry["ratios"] if ratio["ours"] == name] or [None]
        for ratio in ratios:
            against = [ratio["rival"], f"{ratio['ratio']:.2f}", f"{ratio['goal']:g}"] if ratio else ["", "", ""]
            table.add_row(*(row if ratio is ratios[0] else ["", "", ""]), *against)
    console.print(table)
    for name, check in entry["checks"].items():
        console.print(f"  {'' if check['met'] else 'NOT MET: '}{name}: {check['value']:.4g}", highlight=False)


def main() -> None:
    """Hold every contest and rewrite the results after each, so that a stop loses nothing."""
    options = parse()
    warnings.simplefilter("ignore", NotConverged)  # the published LCA stops after 600 steps, at rest or not
    warnings.simplefilter("ignore", ConvergenceWarning)  # scikit-learn's dictionary learner stops its coder early
    warnings.filterwarnings("ignore", "Orthogonal matching pursuit ended prematurely", RuntimeWarning)
    torch.set_num_threads(options.threads)
    inputs, console, rate = Inputs(options.images, options.root, options.large_images), Console(), gemm_rate()
    done = json.loads(options.results.read_text())["contests"] if options.results.exists() else []
    for path in options.paths:
        done = [entry for entry in done if entry["path"] != path]
        for contest in importlib.import_module(f"benchmarks.cpu.{path}").contests(inputs):
            entry = hold(contest, rate) | {
                "command": shlex.join(["python", "-m", "benchmarks.cpu", *sys.argv[1:]]),
                "machine": f"{platform.system()} {platform.machine()}, {processor()}, {options.threads} threads",
                "gemm_gflops": round(rate / 1e9, 1),
                "load_average": os.getloadavg()[0],
                "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
            }
            done.append(entry)
            show(entry, console)
            options.results.parent.mkdir(parents=True, exist_ok=True)
            temporary = options.results.with_suffix(".tmp")
            temporary.write_text(json.dumps({"contests": done}, indent=1))
            os.replace(temporary, options.results)


if __name__ == "__main__":
    main()
