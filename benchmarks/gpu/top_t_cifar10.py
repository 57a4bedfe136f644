"""Train and attack paper 001's natural and top-T ResNet-32 on CIFAR-10, within a time limit, resumable."""

import argparse
import dataclasses
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger

from sparsefront import DefendedClassifier, RobustEvaluation, learn_front_end
from sparsefront.attacks import PGD, NamedAttack
from sparsefront.cli.command import main
from sparsefront.cli.sparsefront_cli import SparsefrontCLI
from sparsefront.common.atomic_file import write_atomically
from sparsefront.common.checkpoints.run_folder import find_checkpoint, has_checkpoint
from sparsefront.evaluation import Samples
from sparsefront.results.provenance import machine, versions

HERE = Path(__file__).parent
CONFIGS = HERE.parents[1] / "lightning_configs" / "experiments"
PAPER = {
    "natural": {"clean": 92.66, "pgd_linf": 0.00, "pgd_linf_cw": 0.00, "pgd_l2": 0.00, "pgd_l1": 0.00},
    "top_t": {"clean": 85.45, "pgd_linf": 37.33, "pgd_linf_cw": 37.35, "pgd_l2": 60.47, "pgd_l1": 47.13},
}


class StopInTime(pl.Callback):
    """Ends training after the last whole epoch that fits before the deadline."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the clock."""
        self.started = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop if the next epoch would end too late."""
        now = time.monotonic()
        if now + 1.5 * (now - self.started) > self.deadline:
            trainer.should_stop = True


def build(system: str, options: argparse.Namespace) -> SparsefrontCLI:
    """The experiment file's model, data and trainer, with this call's data and sizes."""
    run = options.out / system
    args = ["--config", str(CONFIGS / f"cifar10_{system}.yaml"), "--run_dir", str(run)]
    if options.image_folder:
        args += ["--data", "ImageFolder", "--data.root", options.image_folder, "--data.image_size", "32"]
        args += ["--data.augment", "crop_flip", "--data.in_memory", "true", "--data.batch_size", "64"]
    else:
        args += ["--data.root", options.root]
    if options.epochs:
        args += ["--trainer.max_epochs", str(options.epochs)]
    if options.limit_train_batches:
        args += ["--trainer.limit_train_batches", str(options.limit_train_batches), "--trainer.limit_val_batches", "2"]
    args += ["--trainer.precision", options.precision, *shlex.split(options.extra)]
    return main(args, run=False)


def train(cli: SparsefrontCLI, run: Path, deadline: float) -> bool:
    """Train until the last epoch or the deadline; return whether the training is whole."""
    trainer: Any = cli.trainer
    last = find_checkpoint(run, "--out") if has_checkpoint(run) else None
    if last is not None and last.ended:
        return True
    # Robustness is measured at the end, attack by attack.
    trainer.callbacks = [callback for callback in trainer.callbacks if not isinstance(callback, RobustEvaluation)]
    trainer.callbacks.insert(0, StopInTime(deadline))
    if last is None:
        learn_front_end(cli.model.frontend, cli.datamodule, trainer)
    trainer.fit(cli.model, cli.datamodule, ckpt_path=None if last is None else last.path)
    return bool(trainer.current_epoch >= trainer.max_epochs)


def evaluate(
    cli: SparsefrontCLI, attacks: list[NamedAttack], run: Path, options: argparse.Namespace, deadline: float
) -> bool:
    """Run each attack that has no result yet; return whether all have one."""
    model = DefendedClassifier.load_from_checkpoint(find_checkpoint(run, "--out").path, map_location="cpu")
    cli.datamodule.batch_size = options.test_batch_size
    longest = 0.0
    for named in attacks:
        folder = run / "evaluation" / named.name
        asked = settings(named, options)
        if (folder / "asked.json").exists() and json.loads((folder / "asked.json").read_text()) == asked:
            continue
        if time.monotonic() + longest > deadline:
            return False
        start = time.monotonic()
        trainer = pl.Trainer(
            logger=CSVLogger(folder, name="", version=""),
            callbacks=[RobustEvaluation([named], max_samples=options.test_samples)],
            limit_test_batches=-(-options.test_samples // options.test_batch_size),
            devices=1,
        )
        trainer.test(model, cli.datamodule)
        (folder / "asked.json").write_text(json.dumps(asked))
        longest = max(longest, time.monotonic() - start)
    return True


def settings(named: NamedAttack, options: argparse.Namespace) -> dict[str, Any]:
    """What makes an attack's result this call's: another setting or number of samples asks for it anew."""
    asked = {"attack": vars(named.attack), "view": vars(named.view), "test_samples": options.test_samples}
    read_back: dict[str, Any] = json.loads(json.dumps(asked, default=str))
    return read_back


def attacks_of(cli: SparsefrontCLI, options: argparse.Namespace) -> list[NamedAttack]:
    """The experiment's attacks, with this call's number of restarts where they take random ones."""
    if not options.n_restarts:
        return cli.evaluation.attacks
    return [
        dataclasses.replace(named, attack=dataclasses.replace(named.attack, n_restarts=options.n_restarts))
        if isinstance(named.attack, PGD) and named.attack.n_restarts > 1
        else named
        for named in cli.evaluation.attacks
    ]


def results(system: str, run: Path, attacks: list[NamedAttack]) -> dict[str, Any]:
    """Every attack's robust accuracy beside the paper's, and the per-sample worst case, in percent.

    An attack that failed has no accuracy but its error, and no part in the worst case.
    """
    joined: dict[str, np.ndarray] = {}
    entries = {}
    for folder in [run / "evaluation" / named.name for named in attacks]:
        if not (folder / "asked.json").exists():
            continue
        samples = Samples.read(folder / "results" / "test_samples.csv")
        about = json.loads((folder / "results" / "test_attacks.json").read_text())["attacks"][0]
        joined |= samples.columns
        entries[folder.name] = about | {
            "robust_acc": None if about["error"] else 100 * samples.correct(folder.name).mean().item(),
            "paper": PAPER[system].get(folder.name),
        }
    samples = Samples(joined)
    return {
        "clean_acc": 100 * samples.correct().mean().item(),
        "paper_clean_acc": PAPER[system]["clean"],
        "worst": 100 * samples.worst().mean().item() if samples.attacks else None,
        "n_samples": len(samples),
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
    parser.add_argument("--time_limit", type=float, default=1500, help="seconds after which no new work is begun")
    parser.add_argument("--root", default="data", help="folder of torchvision's CIFAR-10, downloaded if absent")
    parser.add_argument("--image_folder", default="", help="a {train,test}/CLASS/ copy of CIFAR-10 instead")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"), help="folder of runs and checkpoints")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "top_t_cifar10.json")
    parser.add_argument("--systems", nargs="+", default=["top_t", "natural"], choices=["top_t", "natural"])
    parser.add_argument("--epochs", type=int, default=0, help="0: the paper's 70")
    parser.add_argument("--limit_train_batches", type=int, default=0, help="0: all")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--test_samples", type=int, default=1000)
    parser.add_argument("--test_batch_size", type=int, default=500)
    parser.add_argument("--n_restarts", type=int, default=0, help="0: the experiment file's 10; the paper's 100")
    parser.add_argument("--extra", default="", help="more arguments, as `sparsefront fit` takes them")
    return parser.parse_args()


def run_all() -> bool:
    """Do what is left to do and write the results; return whether everything is there."""
    options = parse()
    start = time.monotonic()
    deadline = start + options.time_limit
    whole, summary = True, {}
    for system in options.systems:
        run = options.out / system
        cli = build(system, options)
        attacks = attacks_of(cli, options)  # before training, which goes without them
        trained = train(cli, run, deadline)
        whole &= trained and evaluate(cli, attacks, run, options, deadline)
        if trained and any((run / "evaluation" / named.name / "asked.json").exists() for named in attacks):
            summary[system] = results(system, run, attacks)
        write(options, summary, whole and system == options.systems[-1], time.monotonic() - start)
        start = time.monotonic()
    print("whole" if whole else "not whole yet: run the same command again", options.results)
    return whole


if __name__ == "__main__":
    sys.exit(0 if run_all() else 3)
