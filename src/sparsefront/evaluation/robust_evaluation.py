"""The callback that attacks a defended classifier during validation and test."""

import json
import os
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor

from attacks import NamedAttack, size
from sparsefront.data.batch import Batch
from sparsefront.defended import DefendedClassifier
from sparsefront.evaluation.about import about
from sparsefront.evaluation.pictures import Pictures
from sparsefront.evaluation.quiet import under_attack
from sparsefront.evaluation.samples import NORMS, Samples
from sparsefront.report.plots import panel_figure

Model = Callable[[Tensor], Tensor]


class RobustEvaluation(pl.Callback):
    """Runs every named attack on the validation (or test) samples that are right, and keeps what happened to each.

    Each attack sees every sample that the deployed model gets right; what it returns is clipped to [0, 1] and scored
    by a fresh forward of the deployed model. Logged under `val/` or `test/`: `robust_acc/<attack>` (share of *all*
    samples still right), `robust_acc/worst` (right under every attack, sample by sample) and the mean size of the
    perturbations that succeeded, `linf/<attack>` and `l2/<attack>`. Attacks and their verdict are computed in the
    parameters' own precision, whatever autocast the trainer's `precision` adds to its steps. Written to the log folder:
    `results/<stage>_samples.csv`, `results/<stage>_attacks.json` and `results/<stage>_images.npz`, for
    `sparsefront-report`. Counts are exact on any number of processes. An attack that raises an error is reported as
    failed, never as survived.

    Args:
        attacks: the named attacks; from the command line they are the top-level list `attacks`.
        every_n_epochs: during `fit`, run in every n-th validation only, and in the last.
        max_samples: attack only the first so many samples of the loader; null for all.
        n_images: pictures kept for the report and W&B.

    Raises:
        ValueError: two attacks of one name, or an attack that does not suit the model; before any training.
    """

    def __init__(
        self,
        attacks: Sequence[NamedAttack] = (),
        every_n_epochs: int = 1,
        max_samples: int | None = None,
        n_images: int = 8,
    ) -> None:
        names = [named.name for named in attacks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"`attacks` must have names of their own, found {twice} more than once; rename them.")
        if "worst" in names:
            raise ValueError("`attacks` must not use the name 'worst', which is the row over all of them; rename it.")
        if every_n_epochs < 1:
            raise ValueError(f"`every_n_epochs` must be at least 1, found {every_n_epochs}.")
        if max_samples is not None and max_samples < 1:
            raise ValueError(f"`max_samples` must be at least 1, found {max_samples}; write null for all.")
        self.attacks = list(attacks)
        self.every_n_epochs, self.max_samples, self.n_images = every_n_epochs, max_samples, n_images
        self._reset()

    def _reset(self) -> None:
        self._parts: list[Samples] = []
        self._pictures = Pictures(self.n_images)
        self._errors: dict[str, str] = {}
        self._seconds = dict.fromkeys((named.name for named in self.attacks), 0.0)
        self._seen = 0
        self._running = False
        self._views: dict[str, Model] = {}

    def views(self, model: DefendedClassifier) -> dict[str, Model]:
        """What each attack gets to differentiate; raises a ValueError that names the attack if it does not suit."""
        views = {}
        for named in self.attacks:
            try:
                views[named.name] = named.view(model)
            except (ValueError, FileNotFoundError) as error:
                raise type(error)(f"Attack {named.name!r}: {error}") from None
        return views

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse attacks that do not suit the model before anything is trained."""
        if self.attacks and isinstance(pl_module, DefendedClassifier):
            self.views(pl_module)

    def _active(self, trainer: pl.Trainer) -> bool:
        fitting = trainer.state.fn == TrainerFn.FITTING
        epoch = trainer.current_epoch + 1
        due = bool(self.attacks) and (epoch % self.every_n_epochs == 0 or epoch == trainer.max_epochs)
        return (due or not fitting) and not trainer.sanity_checking

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with empty hands."""
        self._reset()
        self._running = self._active(trainer)
        if self._running and isinstance(pl_module, DefendedClassifier):
            self._views = self.views(pl_module)

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Attack one batch."""
        if self._running and isinstance(pl_module, DefendedClassifier):
            batch = self._within_limit(batch, trainer)
            if len(batch.label):
                with under_attack(pl_module):
                    self._attack(pl_module, Batch(*(tensor.clone() for tensor in batch)))

    on_test_batch_end = on_validation_batch_end

    def _within_limit(self, batch: Batch, trainer: pl.Trainer) -> Batch:
        """The samples among the loader's first `max_samples`, whichever process holds them."""
        count = len(batch.label)
        # Evaluation is sharded by turns: process r of W holds the samples r, r + W, r + 2W, ...
        position = (self._seen + torch.arange(count)) * trainer.world_size + trainer.global_rank
        self._seen += count
        if self.max_samples is None:
            return batch
        kept = int((position < self.max_samples).sum())
        return Batch(*(tensor[:kept] for tensor in batch))

    def _attack(self, model: DefendedClassifier, batch: Batch) -> None:
        images, labels, indices = batch
        with torch.no_grad():
            logits = model(images)
        clean = logits.argmax(dim=1)
        right = (clean == labels).nonzero().squeeze(1)
        columns = {"index": indices, "label": labels, "clean_pred": clean}
        self._pictures.add_clean(model, batch, clean)
        for named in self.attacks:
            if named.name in self._errors:
                continue
            start = time.perf_counter()
            try:
                adversarial = images.clone()
                goal = named.targets(logits, labels, indices) if named.attack.targeted else labels
                if len(right):
                    adversarial[right] = self._run(named, images[right], goal[right], indices[right])
            except Exception as error:
                self._errors[named.name] = f"{type(error).__name__}: {error}"
                warnings.warn(f"Attack {named.name!r} failed and is left out: {error}", stacklevel=2)
                continue
            with torch.no_grad():
                prediction = model(adversarial).argmax(dim=1)
            prediction = torch.where(clean == labels, prediction, clean)
            self._seconds[named.name] += time.perf_counter() - start
            fell = (prediction == goal) if named.attack.targeted else (prediction != labels)
            columns[f"{named.name}/pred"] = prediction
            columns[f"{named.name}/success"] = (clean == labels) & fell
            for key, norm in NORMS.items():
                sizes = size(adversarial - images, norm)
                columns[f"{named.name}/{key}"] = sizes.masked_fill(clean != labels, torch.nan)
            self._pictures.add(named.name, model, adversarial, prediction)
        self._parts.append(Samples({name: column.cpu() for name, column in columns.items()}))

    def _run(self, named: NamedAttack, images: Tensor, goal: Tensor, indices: Tensor) -> Tensor:
        found = named.attack(self._views[named.name], images, goal, indices)
        if found.shape != images.shape or not found.isfinite().all():
            raise ValueError(
                f"an attack must return finite images of shape {tuple(images.shape)}, found {tuple(found.shape)}"
            )
        return found.clamp(0, 1)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the processes' samples together, log, write."""
        self._finish(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the processes' samples together, log, write."""
        self._finish(trainer, pl_module, "test")

    def _finish(self, trainer: pl.Trainer, model: pl.LightningModule, stage: str) -> None:
        if not self._running or not isinstance(model, DefendedClassifier):
            return
        shares = _gathered((self._parts, self._errors, self._seconds))
        errors = {name: text for _, found, _ in shares for name, text in found.items()}
        samples = Samples.joined([part for parts, _, _ in shares for part in parts])
        metrics = {f"{stage}/{name}": value for name, value in samples.metrics().items()} if len(samples) else {}
        model.log_dict(metrics, sync_dist=True, batch_size=1)
        folder = Path(trainer.log_dir or trainer.default_root_dir) / "results"
        if trainer.is_global_zero and len(samples):
            seconds = {name: max(found[name] for _, _, found in shares) for name in self._seconds}
            samples.write(folder / f"{stage}_samples.csv")
            self._write_about(folder, stage, trainer, model, len(samples), seconds, errors)
            self._show_pictures(folder, stage, trainer, model)
        self._running = False

    def _write_about(
        self,
        folder: Path,
        stage: str,
        trainer: pl.Trainer,
        model: DefendedClassifier,
        n_samples: int,
        seconds: dict[str, float],
        errors: dict[str, str],
    ) -> None:
        data = getattr(trainer, "datamodule", None)
        text = about(self.attacks, model.frontend.default_backward, seconds, errors) | {
            "stage": stage,
            "epoch": trainer.current_epoch,
            "system": model.system,
            "data": type(data).__name__ if data is not None else "a data loader",
            "n_samples": n_samples,
        }
        temporary = folder / f"{stage}_attacks.tmp"
        temporary.write_text(json.dumps(text, indent=1, default=str))
        os.replace(temporary, folder / f"{stage}_attacks.json")

    @rank_zero_only
    def _show_pictures(self, folder: Path, stage: str, trainer: pl.Trainer, model: DefendedClassifier) -> None:
        arrays = self._pictures.arrays(model)
        temporary = folder / f"{stage}_images.tmp.npz"
        np.savez_compressed(temporary, allow_pickle=False, **arrays)
        os.replace(temporary, folder / f"{stage}_images.npz")
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image(f"{stage}/images", [panel_figure(arrays)], step=trainer.global_step)


def _gathered(mine: Any) -> list[Any]:
    """The same object from every process, in order of rank."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [mine]
    everybody: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everybody, mine)
    return everybody
