"""The callback that attacks a defended classifier during validation and test."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor
from tqdm import tqdm

from attacks import NamedAttack
from attacks.saved import save_images
from sparsefront.data.base import ImageData
from sparsefront.data.batch import Batch
from sparsefront.defended import DefendedClassifier
from sparsefront.evaluation import partial
from sparsefront.evaluation.about import about
from sparsefront.evaluation.attack_run import AttackRun, nan_error
from sparsefront.evaluation.comparisons import compare_rows
from sparsefront.evaluation.diagnostics import probe
from sparsefront.evaluation.finding import Finding
from sparsefront.evaluation.meter import Cost
from sparsefront.evaluation.pictures import Pictures
from sparsefront.evaluation.quiet import under_attack
from sparsefront.evaluation.samples import Samples
from sparsefront.evaluation.search_form import SearchPrecision, check_precision
from sparsefront.report.plots import panel_figure


class RobustEvaluation(pl.Callback):
    """Runs every named attack on the validation (or test) samples that are right, and keeps what happened to each.

    Each attack sees every sample that the deployed model gets right (or, with `cascade`, that the attacks before it
    left standing); what it returns is clipped to [0, 1] and scored by a fresh forward of the deployed model. Logged
    under `val/` or `test/`: `robust_acc/<attack>` (share of *all* samples still right), `robust_acc/worst` (right under
    every attack, sample by sample), the mean size of the perturbations that succeeded, `linf/<attack>` and
    `l2/<attack>`, and where the front end returns images the mean `psnr/` and `ssim/` of what the classifier sees, of
    `clean` images and of each attack's, against the clean ones. Attacks and their verdict are computed in the
    parameters' own precision, whatever autocast the trainer's `precision` adds to its steps. Written to the log folder:
    `results/<stage>_samples.csv`, `results/<stage>_attacks.json` and `results/<stage>_images.npz`, for
    `sparsefront-report`. Counts are exact on any number of processes. An attack that raises an error is reported as
    failed, never as survived.

    Args:
        attacks: the named attacks; from the command line they are the top-level list `attacks`.
        every_n_epochs: during `fit`, run in every n-th validation only, and in the last.
        max_samples: attack only the first so many samples of the loader; null for all.
        time_budget: seconds after which no further batch is attacked; null for no bound. The table says how many
            samples it is over.
        cascade: hand each attack only the samples that those before it left standing, as AutoAttack does: the worst
            case comes sooner, but a row no longer stands for itself.
        search_precision: `bf16` lets adversaries search under bfloat16 autocast; verdicts are in full precision.
        n_images: pictures kept for the report and W&B.
        save_images: keep every adversarial image in `results/<stage>_adversarial/<attack>`, for `attacks.SavedImages`.
        diagnostics: samples on which signs of masked gradients are looked for, beside those that show in the rows.
        resume_from: folder of an interrupted `validate` or `test` run of the same model and attacks: its finished
            samples are taken over.

    Raises:
        ValueError: two attacks of one name, a setting out of range, or an attack that does not suit the model; before
            any training.
    """

    def __init__(
        self,
        attacks: Sequence[NamedAttack] = (),
        every_n_epochs: int = 1,
        max_samples: int | None = None,
        time_budget: float | None = None,
        cascade: bool = False,
        search_precision: SearchPrecision = "32",
        n_images: int = 8,
        save_images: bool = False,
        diagnostics: int = 0,
        resume_from: str | None = None,
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
        if time_budget is not None and not time_budget > 0:
            raise ValueError(f"`time_budget` must be above 0 seconds, found {time_budget}; write null for no bound.")
        if diagnostics < 0:
            raise ValueError(f"`diagnostics` must be at least 0 samples, found {diagnostics}.")
        check_precision(search_precision)
        self.attacks = list(attacks)
        self.every_n_epochs, self.max_samples, self.time_budget = every_n_epochs, max_samples, time_budget
        self.cascade, self.search_precision, self.n_images = cascade, search_precision, n_images
        self.save_images, self.diagnostics, self.resume_from = save_images, diagnostics, resume_from
        self._running = False

    def check(self, model: DefendedClassifier) -> None:
        """Raise a ValueError that names the attack if one does not suit the model."""
        for named in self.attacks:
            try:
                named.view(model)
            except (ValueError, FileNotFoundError) as error:
                raise type(error)(f"Attack {named.name!r}: {error}") from None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse attacks that do not suit the model before anything is trained."""
        if isinstance(pl_module, DefendedClassifier):
            self.check(pl_module)

    def _due(self, trainer: pl.Trainer) -> bool:
        fitting = trainer.state.fn == TrainerFn.FITTING
        epoch = trainer.current_epoch + 1
        due = bool(self.attacks) and (epoch % self.every_n_epochs == 0 or epoch == trainer.max_epochs)
        return (due or not fitting) and not trainer.sanity_checking

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with empty hands."""
        self._running = self._due(trainer)
        if self._running and isinstance(pl_module, DefendedClassifier):
            self._begin(trainer, pl_module, _stage(trainer))

    on_test_epoch_start = on_validation_epoch_start

    def _begin(self, trainer: pl.Trainer, model: DefendedClassifier, stage: str) -> None:
        self._parts: list[Samples] = []
        self._first: list[Batch] = []  # samples that are right, for the diagnostics
        self._pictures = Pictures(self.n_images)
        self._seen, self._batches, self._start = 0, 0, time.monotonic()
        self._results = Path(trainer.log_dir or trainer.default_root_dir) / "results"
        self._rows: partial.Rows = {}
        self._partial: partial.Partial | None = None
        with under_attack(model):
            self._run = AttackRun(
                model,
                self.attacks,
                cascade=self.cascade,
                search_precision=self.search_precision,
                training_images=lambda number: _training_images(trainer, number, model.device),
            )
        if trainer.state.fn == TrainerFn.FITTING:
            return
        entries = about(self.attacks, model.frontend.default_backward, {}, {})["attacks"]
        same = partial.fingerprint(model, entries, cascade=self.cascade, stage=stage, data=_name_of_data(trainer))
        if self.resume_from is not None:
            self._rows = partial.finished(Path(self.resume_from), stage, same)
        self._partial = partial.Partial(self._results, stage, self._run.columns, same, trainer.global_rank)

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
        if not self._running or not isinstance(pl_module, DefendedClassifier):
            return
        batch = self._within_limits(batch, trainer)
        new, known = partial.split(batch.index, self._rows)
        self._keep(known)
        batch = Batch(*(tensor[new.to(tensor.device)].clone() for tensor in batch))
        if len(batch.label):
            with under_attack(pl_module):
                self._attack(pl_module, batch, _stage(trainer), trainer.global_rank)

    on_test_batch_end = on_validation_batch_end

    def _within_limits(self, batch: Batch, trainer: pl.Trainer) -> Batch:
        """The samples among the loader's first `max_samples`, whichever process holds them; none if time is up."""
        count = len(batch.label)
        # Evaluation is sharded by turns: process r of W holds the samples r, r + W, r + 2W, ...
        position = (self._seen + torch.arange(count)) * trainer.world_size + trainer.global_rank
        self._seen += count
        kept = count if self.max_samples is None else int((position < self.max_samples).sum())
        if self.time_budget is not None and time.monotonic() - self._start > self.time_budget:
            kept = 0
        return Batch(*(tensor[:kept] for tensor in batch))

    def _attack(self, model: DefendedClassifier, batch: Batch, stage: str, rank: int) -> None:
        self._pictures.begin(model, batch)
        shown = tqdm(total=len(self.attacks), desc="attacks", leave=False, disable=rank > 0, delay=2)

        def found(name: str, batch: Batch, adversarial: Tensor, prediction: Tensor) -> None:
            shown.update()
            shown.set_postfix_str(name)
            self._pictures.add(name, model, adversarial, prediction)
            if self.save_images:
                folder = self._results / f"{stage}_adversarial" / name
                save_images(folder, f"{rank}_{self._batches}", batch.image, adversarial, batch.index)

        samples = self._run.attack(batch, found)
        shown.close()
        self._pictures.end(samples)
        self._batches += 1
        self._keep(samples)
        if sum(len(part.label) for part in self._first) < self.diagnostics:
            right = samples.right().to(batch.label.device)
            self._first.append(Batch(*(tensor[right] for tensor in batch)))

    def _keep(self, samples: Samples) -> None:
        if len(samples):
            self._parts.append(samples)
            if self._partial is not None:
                self._partial.add(samples)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the processes' samples together, log, write."""
        if self._running and isinstance(pl_module, DefendedClassifier):
            self._finish(trainer, pl_module, _stage(trainer))

    on_test_epoch_end = on_validation_epoch_end

    def _finish(self, trainer: pl.Trainer, model: DefendedClassifier, stage: str) -> None:
        self._running = False
        first = [Batch(*(tensor.cpu() for tensor in part)) for part in self._first]
        shares = _gathered((self._parts, self._run.errors, self._run.costs, first))
        errors = {name: text for _, found, _, _ in shares for name, text in found.items()}
        samples = Samples.joined([part for parts, _, _, _ in shares for part in parts])
        if len(samples) and (error := nan_error(samples.columns["clean_pred"])):
            errors = {named.name: error for named in self.attacks}
        entering = [named.name for named in self.attacks if named.in_worst_case] if len(samples) else []
        metrics = {f"{stage}/{name}": value for name, value in samples.metrics(entering).items()}
        model.log_dict(metrics, sync_dist=True, batch_size=1)
        if trainer.is_global_zero and len(samples):
            costs = {name: Cost.over_processes([found[name] for _, _, found, _ in shares]) for name in self._run.costs}
            samples.write(self._results / f"{stage}_samples.csv")
            findings = self._diagnose(model, samples, [part for _, _, _, parts in shares for part in parts])
            self._write_about(stage, trainer, model, len(samples), costs, errors, findings)
            self._show_pictures(stage, trainer, model)
            self._log_flags(trainer, findings)
            if self._partial is not None:
                self._partial.remove()

    def _diagnose(self, model: DefendedClassifier, samples: Samples, parts: Sequence[Batch]) -> list[Finding]:
        findings = [] if self.cascade else compare_rows(self.attacks, samples)  # a cascade's rows cannot be compared
        if self.diagnostics and parts:
            fields = (torch.cat(fields)[: self.diagnostics].to(model.device) for fields in zip(*parts, strict=True))
            with under_attack(model):
                findings += probe(model, self.attacks, Batch(*fields), lambda named: self._run.ready(named)[0].view)
        return findings

    def _log_flags(self, trainer: pl.Trainer, findings: Sequence[Finding]) -> None:
        """`diag/<flag>`: 1 where it was raised for any adversary."""
        flags = {f"diag/{finding.flag}": float(finding.raised) for finding in sorted(findings, key=lambda f: f.raised)}
        for logger in trainer.loggers if flags else []:
            logger.log_metrics(flags, step=trainer.global_step)

    def _write_about(
        self,
        stage: str,
        trainer: pl.Trainer,
        model: DefendedClassifier,
        n_samples: int,
        costs: dict[str, Cost],
        errors: dict[str, str],
        findings: Sequence[Finding],
    ) -> None:
        text = about(self.attacks, model.frontend.default_backward, costs, errors) | {
            "stage": stage,
            "epoch": trainer.current_epoch,
            "system": model.system,
            "data": _name_of_data(trainer),
            "n_samples": n_samples,
            "cascade": self.cascade,
            "time_budget": self.time_budget,
            "diagnostics": [vars(finding) for finding in findings],
        }
        temporary = self._results / f"{stage}_attacks.tmp"
        temporary.write_text(json.dumps(text, indent=1, default=str))
        os.replace(temporary, self._results / f"{stage}_attacks.json")

    @rank_zero_only
    def _show_pictures(self, stage: str, trainer: pl.Trainer, model: DefendedClassifier) -> None:
        arrays = self._pictures.arrays(model)
        if "clean" not in arrays:
            return  # every sample was taken over from an interrupted run
        temporary = self._results / f"{stage}_images.tmp.npz"
        np.savez_compressed(temporary, allow_pickle=False, **arrays)
        os.replace(temporary, self._results / f"{stage}_images.npz")
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image(f"{stage}/images", [panel_figure(arrays)], step=trainer.global_step)


def _stage(trainer: pl.Trainer) -> str:
    return "test" if trainer.testing else "val"


def _name_of_data(trainer: pl.Trainer) -> str:
    data = getattr(trainer, "datamodule", None)
    return type(data).__name__ if data is not None else "a data loader"


def _training_images(trainer: pl.Trainer, number: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The first training images without augmentation, the same on every process."""
    data = getattr(trainer, "datamodule", None)
    if not isinstance(data, ImageData):
        raise ValueError("an attack that is fitted on training images needs a data module, found a data loader.")
    batch = data.first_training_images(number)
    return batch.image.to(device), batch.label.to(device)


def _gathered(mine: Any) -> list[Any]:
    """The same object from every process, in order of rank."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [mine]
    everybody: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everybody, mine)
    return everybody
