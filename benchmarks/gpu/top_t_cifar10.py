"""Train and attack paper 001's natural and top-T ResNet-32 on CIFAR-10, within a time limit, resumable."""

import argparse
import json
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from sparsefront.cli.dry_run.check import check
from sparsefront.common import stopping
from sparsefront.common.atomic_file import write_atomically
from sparsefront.results.provenance import machine, versions
from sparsefront.results.run import Run
from sparsefront.studies.finished import has_results
from sparsefront.studies.run_systems import run_systems
from sparsefront.studies.study import Study
from sparsefront.studies.system import System, inline

HERE = Path(__file__).parent
EXPERIMENTS = HERE.parents[1] / "lightning_configs" / "experiments"
PAPER = {
    "natural": {"clean": 92.66, "pgd_linf": 0.00, "pgd_linf_cw": 0.00, "pgd_l2": 0.00, "pgd_l1": 0.00},
    "top_t": {"clean": 85.45, "pgd_linf": 37.33, "pgd_linf_cw": 37.35, "pgd_l2": 60.47, "pgd_l1": 47.13},
}


def paper_001(options: argparse.Namespace) -> Study:
    """The experiment files' systems, with this call's data and sizes; attacked in `test` alone."""
    systems = [
        System(name, options.out / name, (inline(_settings(name, options)),), tuple(_arguments(options)))
        for name in options.systems
    ]
    return Study(options.out, tuple(systems))


def _settings(system: str, options: argparse.Namespace) -> dict[str, Any]:
    """Of the experiment file, with this call's number of restarts where attacks take random ones."""
    path = options.experiments / f"cifar10_{system}.yaml"
    settings: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for named in settings["attacks"] if options.n_restarts else []:
        if named["attack"]["init_args"].get("n_restarts", 1) > 1:
            named["attack"]["init_args"]["n_restarts"] = options.n_restarts
    settings["trainer"] |= {"limit_val_batches": 0, "precision": options.precision}
    settings["evaluation"] = {"max_samples": options.test_samples}
    return settings


def _arguments(options: argparse.Namespace) -> list[str]:
    args = ["--data.root", options.root]
    if options.image_folder:
        args = ["--data", "ImageFolder", "--data.root", options.image_folder, "--data.image_size", "32"]
        args += ["--data.augment", "crop_flip", "--data.reading.in_memory", "true", "--data.batch_size", "64"]
    if options.epochs:
        args += ["--trainer.max_epochs", str(options.epochs)]
    if options.limit_train_batches:
        args += ["--trainer.limit_train_batches", str(options.limit_train_batches)]
    return [*args, *shlex.split(options.extra)]


def run_in_time(systems: Sequence[System], seconds: float) -> dict[str, str]:
    """Do what is left to do until time is up; what was reached by then is kept, and the next call goes on from it.

    Returns:
        Why systems have no results, by their names.
    """
    late = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    late.daemon = True
    late.start()
    try:
        with stopping.stoppable():
            stopping.care_less()
            return run_systems(systems)
    except stopping.Stopped:
        return {system.name: "time was up" for system in systems if not has_results(system.folder)}
    finally:
        late.cancel()


def results(system: str, run: Run) -> dict[str, Any]:
    """Every attack's robust accuracy beside the paper's, and the per-sample worst case, in percent.

    An attack that failed has no accuracy but its error, and no part in the worst case.
    """
    completed = [attack.name for attack in run.completed]
    entries = {}
    for attack in run.attacks:
        accuracy = 100 * run.samples.correct(attack.name).mean().item() if attack.name in completed else None
        entries[attack.name] = attack.written() | {"robust_acc": accuracy, "paper": PAPER[system].get(attack.name)}
    return {
        "clean_acc": 100 * run.samples.correct().mean().item(),
        "paper_clean_acc": PAPER[system]["clean"],
        "worst": 100 * run.samples.standing(completed).mean().item() if completed else None,
        "n_samples": run.n,
        "attacks": entries,
    }


def write(options: argparse.Namespace, summary: dict[str, Any], whole: bool, seconds: float) -> None:
    """Add this call's seconds and systems to what the results file has."""
    before: dict[str, Any]
    before = json.loads(options.results.read_text()) if options.results.exists() else {"seconds": 0.0, "systems": {}}
    systems = before["systems"] | summary
    content = {
        "command": shlex.join(["python", "benchmarks/gpu/top_t_cifar10.py", *sys.argv[1:]]),
        "whole": whole and systems.keys() == PAPER.keys(),
        "seconds": round(before["seconds"] + seconds, 1),
        "machine": machine(),
        "versions": versions(),
        "systems": systems,
    }
    write_atomically(options.results, json.dumps(content, indent=1))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time_limit", type=float, default=1500, help="seconds after which what runs is ended")
    parser.add_argument("--root", default="data", help="folder of torchvision's CIFAR-10, downloaded if absent")
    parser.add_argument("--image_folder", default="", help="a {train,test}/CLASS/ copy of CIFAR-10 instead")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"), help="folder of runs and checkpoints")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "top_t_cifar10.json")
    parser.add_argument("--systems", nargs="+", default=["top_t", "natural"], choices=["top_t", "natural"])
    where = "folder of cifar10_natural.yaml and cifar10_top_t.yaml (default: those of lightning_configs)"
    parser.add_argument("--experiments", type=Path, default=EXPERIMENTS, help=where)
    parser.add_argument("--epochs", type=int, default=0, help="0: the paper's 70")
    parser.add_argument("--limit_train_batches", type=int, default=0, help="0: all")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--test_samples", type=int, default=1000)
    parser.add_argument("--n_restarts", type=int, default=0, help="0: the experiment file's 10; the paper's 100")
    parser.add_argument("--extra", default="", help="more arguments, as `sparsefront fit` takes them")
    return parser.parse_args()


def run_all() -> bool:
    """Do what is left to do and write the results; return whether everything is there."""
    options = parse()
    start = time.monotonic()
    study = paper_001(options)
    try:
        study.check(study.systems, check)
    except ValueError as error:
        sys.exit(f"top_t_cifar10: {error}")
    missing = run_in_time(study.systems, options.time_limit)
    done = {system.name: system.folder for system in study.systems if has_results(system.folder)}
    summary = {name: results(name, Run.load(folder, "test")) for name, folder in done.items()}
    write(options, summary, not missing, time.monotonic() - start)
    for name, why in missing.items():
        print(f"{name}: {why}")
    print("not whole yet: run the same command again" if missing else "whole", options.results)
    return not missing


if __name__ == "__main__":
    sys.exit(0 if run_all() else 3)
