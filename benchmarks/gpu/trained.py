"""Training one of the systems, and what is measured on the way."""

import logging
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.gpu import weights
from benchmarks.gpu.options import StepKind
from benchmarks.gpu.pictures import Pictures
from benchmarks.gpu.rates import Rates
from benchmarks.gpu.systems import System
from benchmarks.gpu.training.augmented import padded
from benchmarks.gpu.training.fitting import Epoch, epochs
from benchmarks.gpu.training.momentum_sgd import MomentumSGD
from benchmarks.gpu.training.training_step import TrainingData, TrainingStep
from sparsefront import DefendedClassifier
from sparsefront.common import stopping
from sparsefront.frontends import FrontEnd

_KEPT_EVERY = 10  # epochs
_LEARNING_BATCH = 64  # images, as the experiment file has it
_LEARNED_FROM = 20_000  # images at most: 256 patches of every batch are looked at


def train(
    name: str,
    system: System,
    pictures: Pictures,
    rates: Rates,
    entry: dict[str, Any],
    keep: Callable[[], None],
    *,
    step: StepKind,
    device: torch.device,
    folder: Path,
) -> None:
    """Train a system or go on with it; its weights come to lie in a folder.

    Args:
        name: of the weights.
        system: what is trained and how.
        pictures: to train on.
        rates: of the device.
        entry: filled, also where time is up: `losses` of all epochs, the seconds before the first of them
            (`learning_seconds`, `readying_seconds`) and, of the epochs of this call, `images_per_second` and the
            `share_of_floor`, of the products of a step at the device's rate in bfloat16.
        keep: called where weights are about to be written, so that no epoch's loss is missing in a call that goes on.
        step: how a step is run.
        device: to train on.
        folder: of the weights.

    Raises:
        Stopped: time is up; the last whole epoch is kept in the folder.
    """
    model, first = system.model(), weights.reached(folder, name)
    if first is not None:
        weights.load_model(folder, name, model)
    start = time.perf_counter()
    _learn(model.frontend, pictures)
    learning = time.perf_counter() - start
    model.to(device, memory_format=torch.channels_last).train()
    # It is looked at in every call, which would wait for the device and keep a step from being captured.
    model.frontend.learned = model.frontend.learned.cpu()
    optimizer = MomentumSGD([parameter for parameter in model.parameters() if parameter.requires_grad])
    if first is not None:
        weights.load_velocities(folder, name, optimizer.velocities)
    data = TrainingData(padded(pictures.images.to(device)), pictures.labels.to(device))
    ready = TrainingStep(model, system.objective(model), data, optimizer, system.batch)
    flops = ready.flops()
    start = time.perf_counter()
    ready.readied(step)
    entry |= {
        "pictures": pictures.source,
        "epochs": system.epochs,
        "batch": system.batch,
        "peak_rate": system.peak,
        "step": ready.kind,
        "step_refused": ready.refused,
        "learning_seconds": round(entry.get("learning_seconds", 0.0) + learning, 2),
        "readying_seconds": round(time.perf_counter() - start, 2),
        "flops_a_step": flops,
        "losses": entry.get("losses", [])[: first or 0],
    }
    done: list[Epoch] = []

    def noted(epoch: Epoch) -> None:
        done.append(epoch)
        entry["losses"].append(round(epoch.loss, 4))
        entry.update(_pace(done, system.batch, flops / rates.bfloat16))

    def kept(epoch: int) -> None:
        keep()
        with stopping.undisturbed():
            weights.save(folder, name, model, optimizer.velocities, epoch, system.epochs)

    _fit(name, system, ready, first or 0, noted, kept)


def _learn(frontend: FrontEnd, pictures: Pictures) -> None:
    """Stage one, on the CPU, where its solvers are compiled."""
    if frontend.learned:
        return
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    order = torch.randperm(len(pictures.images), generator=torch.Generator().manual_seed(0))[:_LEARNED_FROM]
    images = pictures.images[order].float() / 255
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # neither validation nor optimizer, by design
        trainer.fit(frontend, DataLoader(TensorDataset(images), _LEARNING_BATCH, shuffle=True))
    stopping.poll()


def _fit(
    name: str,
    system: System,
    step: TrainingStep,
    first: int,
    noted: Callable[[Epoch], None],
    keep: Callable[[int], None],
) -> None:
    """Train from after epoch `first`; note each; keep what was reached every so often, at the end and at a stop."""
    last = first, [tensor.clone() for tensor in step.state()]
    try:
        for epoch in epochs(step, first + 1, system.epochs, system.peak):
            last = epoch.number, [tensor.clone() for tensor in step.state()]
            noted(epoch)
            pace = f"{epoch.images / epoch.seconds:,.0f} images a second"
            print(f"  {name}: epoch {epoch.number} of {system.epochs}, loss {epoch.loss:.3f}, {pace}", flush=True)
            if epoch.number % _KEPT_EVERY == 0 or epoch.number == system.epochs:
                keep(epoch.number)
    except stopping.Stopped:
        with torch.no_grad():
            for tensor, value in zip(step.state(), last[1], strict=True):
                tensor.copy_(value)
        keep(last[0])
        raise


def _pace(done: list[Epoch], batch: int, floor: float) -> dict[str, Any]:
    """Of some epochs."""
    step = statistics.median(epoch.seconds * batch / epoch.images for epoch in done)
    return {
        "images_per_second": round(batch / step, 1),
        "milliseconds_a_step": round(1000 * step, 3),
        "share_of_floor": float(f"{floor / step:.3g}"),
    }


def trained_model(name: str, system: System, device: torch.device, folder: Path) -> DefendedClassifier:
    """The network that `train` left in a folder, as it is deployed."""
    model = system.model()
    weights.load_model(folder, name, model)
    return model.to(device).eval()
