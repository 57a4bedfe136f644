"""The callback that attacks a defended classifier during validation and test."""

import time
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor

from sparsefront.attacks import NamedAttack
from sparsefront.attacks.saved_images import SavedImages, save_images
from sparsefront.common.atomic_file import atomic_file
from sparsefront.common.checkpoints.run_folder import find_checkpoint
from sparsefront.common.file_digest import file_digest
from sparsefront.common.home import at_home
from sparsefront.common.long_work import in_words
from sparsefront.common.processes import Processes
from sparsefront.common.stopping import keep_in_mind, undisturbed
from sparsefront.data.batch import Batch
from sparsefront.evaluation import partial
from sparsefront.evaluation.attack_progress import AttackProgress
from sparsefront.evaluation.attack_run import AttackRun, nan_error
from sparsefront.evaluation.clean_count import CleanCount
from sparsefront.evaluation.comparisons import compare_rows
from sparsefront.evaluation.diagnostics import probe
from sparsefront.evaluation.evaluation_callback import EvaluationCallback, check_views
from sparsefront.evaluation.fingerprint import fingerprint, paths
from sparsefront.evaluation.frozen_model import frozen_model
from sparsefront.evaluation.interrupted import resumed_rows
from sparsefront.evaluation.logged_metrics import logged_metrics
from sparsefront.evaluation.majority_baseline import majority_baseline
from sparsefront.evaluation.pictures import Pictures
from sparsefront.evaluation.resumed_rows import ResumedRows
from sparsefront.evaluation.search_form import SearchPrecision, check_precision, slowest_form
from sparsefront.evaluation.trainer_facts import name_of_data, number_to_follow, stage_of, training_images
from sparsefront.evaluation.weights_used import described, weights_used
from sparsefront.figures.panel import panel_figure
from sparsefront.model.defended import DefendedClassifier
from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.cost import Cost
from sparsefront.results.evaluation_record import EvaluationRecord
from sparsefront.results.finding import Finding
from sparsefront.results.plain import plain
from sparsefront.results.provenance import provenance
from sparsefront.results.same_evaluation import SAMPLES
from sparsefront.results.samples import Samples


class RobustEvaluation(EvaluationCallback):
    """Runs every named attack on the validation (or test) samples that are right, and keeps what happened to each.

    Each attack sees every sample that the deployed model gets right (or, with `cascade`, that the attacks before it
    left standing); what it returns is clipped to [0, 1] and scored by a fresh forward of the deployed model. Logged
    under `val/` or `test/`: `clean_acc` (share of these samples that is right) and their number `clean_acc/n` (`acc`
    and `acc/n` are over the whole loader), `robust_acc/<attack>` (share of *all* these samples still right, absent of
    an attack that found none left of those that were right), `robust_acc/worst` (right under
    every attack, sample by sample; controls, and attacks that minimise a norm without a bound, do not enter), the mean
    size of the perturbations that succeeded, `linf/<attack>` and `l2/<attack>`, and where the front end returns images
    the mean `psnr/` and `ssim/` of what the classifier sees, of `clean` images and of each attack's, against the clean
    ones. Attacks and their verdict are computed in the
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
        if n_images < 0:
            raise ValueError(f"`n_images` must be at least 0, found {n_images}; write 0 for no pictures.")
        check_precision(search_precision)
        self.attacks = list(attacks)
        self.every_n_epochs, self.max_samples, self.time_budget = every_n_epochs, max_samples, time_budget
        self.cascade, self.search_precision, self.n_images = cascade, search_precision, n_images
        self.save_images, self.diagnostics = save_images, diagnostics
        self.resume_from = None if resume_from is None else at_home(resume_from)

    _progress: AttackProgress | None = None

    def check(self, model: DefendedClassifier) -> None:
        """Raise a ValueError that names the attack if one does not suit the model."""
        check_views("Attack", self.attacks, model)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse attacks that do not suit the model before anything is trained."""
        if isinstance(pl_module, DefendedClassifier):
            self.check(pl_module)

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin, where it is due; where there are attacks, clean accuracy is over the samples that they are run on."""
        super().on_validation_epoch_start(trainer, pl_module)
        if isinstance(pl_module, DefendedClassifier):
            pl_module.logs_clean_acc = not (self.attacks or self._following)
        self._clean = None if self._following or not self.attacks else CleanCount(self.max_samples)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Follow the batch, or count it."""
        super().on_validation_batch_end(trainer, pl_module, outputs, batch, batch_idx, dataloader_idx)
        if self._clean is not None and isinstance(outputs, Tensor):
            self._clean.add(outputs, batch.label, trainer)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Finish."""
        super().on_validation_epoch_end(trainer, pl_module)
        if isinstance(pl_module, DefendedClassifier):
            pl_module.logs_clean_acc = True
            if self._clean is not None:
                self._log(pl_module, stage_of(trainer), self._clean.metrics())

    on_test_epoch_start = on_validation_epoch_start
    on_test_batch_end = on_validation_batch_end
    on_test_epoch_end = on_validation_epoch_end

    def _log(self, model: DefendedClassifier, stage: str, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            shown = name in ("clean_acc", "robust_acc/worst")
            model.log(f"{stage}/{name}", value, sync_dist=True, batch_size=1, prog_bar=shown)

    def due(self, trainer: pl.Trainer) -> bool:
        """In every `every_n_epochs`-th validation of a fit and in its last; in all others."""
        fitting = trainer.state.fn == TrainerFn.FITTING
        epoch = trainer.current_epoch + 1
        due = bool(self.attacks) and (epoch % self.every_n_epochs == 0 or epoch == trainer.max_epochs)
        return (due or not fitting) and not trainer.sanity_checking

    def begin(self, trainer: pl.Trainer, model: DefendedClassifier, stage: str) -> None:
        """Start an evaluation, without rows or with those of an interrupted one."""
        self._parts: list[Samples] = []
        self._first: list[Batch] = []  # samples that are right, for the diagnostics
        self._late = False  # whether the time budget kept samples from being attacked
        self._pictures = Pictures(self.n_images)
        self._batches, self._start = 0, time.monotonic()
        self._taken: ResumedRows | None = None
        self._partial: partial.Partial | None = None
        shown = trainer.is_global_zero and trainer.progress_bar_callback is not None
        self._progress = AttackProgress(self.attacks, number_to_follow(self.max_samples, trainer), shown)
        with frozen_model(model):
            self._run = AttackRun(
                model,
                self.attacks,
                cascade=self.cascade,
                search_precision=self.search_precision,
                training_images=lambda number: training_images(trainer, number, model.device),
                progress=self._progress,
            )
        if trainer.state.fn == TrainerFn.FITTING:
            return
        entries = [AttackRecord.of(named, model.frontend.default_backward).written() for named in self._run.attacks]
        settings = {name: getattr(self, name) for name in ("cascade", "search_precision", "save_images")}
        same = fingerprint(model, entries, stage=stage, data=name_of_data(trainer), **settings)
        if self.resume_from is not None:
            self._taken = resumed_rows(Path(self.resume_from), stage, same)
            trainer.strategy.barrier()  # all have read before one begins rows of its own, which may lie beside these
            if trainer.is_global_zero:
                self._run.costs |= self._taken.costs
        self._partial = partial.Partial(
            self.results, stage, self._run.columns, same, trainer.global_rank, self._taken, self.save_images
        )
        folder = str(trainer.default_root_dir)
        keep_in_mind(f"the rows of its whole batches are kept in {folder}", "--evaluation.resume_from", folder)

    def follow(self, trainer: pl.Trainer, model: DefendedClassifier, batch: Batch, stage: str) -> None:
        """Attack one batch, unless time is up."""
        if self.time_budget is not None and time.monotonic() - self._start > self.time_budget:
            self._late = True
            return
        if self._taken is not None:
            new, known = partial.split(batch, self._taken)
            taken = Batch(*(tensor[~new.to(tensor.device)] for tensor in batch))
            self._take_over(known, taken, stage, trainer.global_rank)
            batch = Batch(*(tensor[new.to(tensor.device)] for tensor in batch))
        if len(batch.label):
            with frozen_model(model):
                self._attack(model, batch, stage, trainer.global_rank)

    def _attack(self, model: DefendedClassifier, batch: Batch, stage: str, rank: int) -> None:
        self._pictures.begin(model, batch)
        by_name = {named.name: named.attack for named in self.attacks}

        def found(name: str, batch: Batch, adversarial: Tensor, prediction: Tensor) -> None:
            self._pictures.add(name, model, adversarial, prediction)
            if self.save_images:
                folder = self.results / f"{stage}_adversarial" / name
                attack = by_name[name]
                save_images(folder, f"{rank}_{self._batches}", attack, batch.image, adversarial, batch.index)

        samples = self._run.attack(batch, found)
        self._pictures.end(torch.from_numpy(samples.columns["clean_pred"]))
        self._keep(samples, batch)

    def _take_over(self, samples: Samples, batch: Batch, stage: str, rank: int) -> None:
        """Keep interrupted evaluations' rows of a batch, and their adversarial images."""
        if not len(samples):
            return
        if self._progress is not None:
            self._progress.skip(len(samples))
        for named in self.attacks if self.save_images else []:
            place = Path(f"{stage}_adversarial") / named.name
            saved = self._saved(place, batch)
            file = f"{rank}_{self._batches}"
            save_images(self.results / place, file, named.attack, batch.image, saved, batch.index)
        self._keep(samples, batch, written=self._partial is not None and not self._partial.repeated)

    def _saved(self, place: Path, batch: Batch) -> Tensor:
        """Adversarial images (B, C, H, W), each from the evaluation that its row is from."""
        results = self._taken.results if self._taken is not None else {}
        homes, found = [results[index] for index in batch.index.tolist()], torch.empty_like(batch.image)
        for home in set(homes):
            own = torch.tensor([other == home for other in homes], device=batch.image.device)
            some = Batch(*(tensor[own.to(tensor.device)] for tensor in batch))
            found[own] = SavedImages(str(home / place)).perturb(_nothing, *some)
        return found

    def _keep(self, samples: Samples, batch: Batch, written: bool = False) -> None:
        self._batches += 1
        self._parts.append(samples)
        if self._partial is not None and not written:
            with undisturbed():
                self._partial.add(samples, batch.image, self._run.costs)
        if sum(len(part.label) for part in self._first) < self.diagnostics:
            correct = torch.from_numpy(samples.correct()).to(batch.label.device)
            self._first.append(Batch(*(tensor[correct] for tensor in batch)))

    def finish(self, trainer: pl.Trainer, model: DefendedClassifier, stage: str) -> None:
        """Put the processes' samples together, log, write."""
        first = [Batch(*(tensor.cpu() for tensor in part)) for part in self._first]
        noticed = (self._run.form, self._run.findings)
        shares = Processes().gathered((self._parts, self._run.errors, self._run.costs, first, self._late, noticed))
        parts, errors, costs, firsts, late, notices = zip(*shares, strict=True)
        samples = Samples.joined([part for share in parts for part in share])
        entering = [named.name for named in self.attacks if named.in_worst_case]
        metrics = logged_metrics(samples, entering) if len(samples) else {}
        self._log(model, stage, metrics)
        summed = {name: Cost.over_processes([share[name] for share in costs]) for name in self._run.costs}
        failed = self._errors(errors, samples) if len(samples) else {}
        if self._progress is not None:
            self._progress.close(*(self._lines(stage, metrics, summed, failed) if len(samples) else ()))
        if trainer.is_global_zero and len(samples):
            file = self.results / f"{stage}_samples.csv"
            samples.write(file)
            backward = model.frontend.default_backward
            records = tuple(
                AttackRecord.of(named, backward, summed[named.name], failed.get(named.name))
                for named in self._run.attacks
            )
            text = (
                provenance()
                | self._facts(trainer, model)
                | {"n_samples": len(samples), "time_budget_reached": any(late)}
            )
            text |= {"whole": False, SAMPLES: file_digest(file)}
            text |= slowest_form([form for form, _ in notices])
            findings = [majority_baseline(samples)]
            findings += {finding.flag: finding for _, some in notices for finding in some}.values()
            findings += [] if self.cascade else compare_rows(self.attacks, samples)  # a cascade's rows are no peers
            self._write_record(stage, records, text, findings)  # probes may take long, or be killed
            if self.diagnostics:
                findings += self._probed(model, [part for share in firsts for part in share], failed)
            self._show_pictures(stage, trainer, model)
            self._log_flags(trainer, findings)
            self._write_record(stage, records, text | {"whole": True}, findings)
            if self._partial is not None:
                self._partial.remove()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave no bar behind."""
        if self._progress is not None:
            self._progress.close()

    def _lines(
        self, stage: str, metrics: dict[str, float], costs: Mapping[str, Cost], failed: Mapping[str, str]
    ) -> Iterator[str]:
        """A line an attack."""
        for named in self.attacks:
            share = metrics.get(f"robust_acc/{named.name}")
            said = (
                "met no sample" if share is None else f"{100 * share:.1f} % of {metrics['clean_acc/n']:.0f} still right"
            )
            said = f"failed: {failed[named.name]}" if named.name in failed else said
            yield plain(f"{stage}: {named.name}: {said}, {in_words(costs[named.name].seconds)}")

    def _errors(self, shares: Sequence[dict[str, str]], samples: Samples) -> dict[str, str]:
        """Why attacks failed, on whichever process; all did if the model has returned NaN."""
        if error := nan_error(samples.columns["clean_pred"]):
            return {named.name: error for named in self.attacks}
        return {name: text for share in shares for name, text in share.items()}

    def _probed(self, model: DefendedClassifier, parts: Sequence[Batch], errors: Container[str]) -> list[Finding]:
        completed = [named for named in self.attacks if named.name not in errors]
        if not completed or not any(len(part.label) for part in parts):
            text = "not probed for masked gradients: no attack ran to its end on a sample that the model gets right."
            return [Finding("not_probed", "deployed model", True, text)]
        with frozen_model(model):
            fields = (torch.cat(fields)[: self.diagnostics].to(model.device) for fields in zip(*parts, strict=True))
            return probe(model, completed, Batch(*fields), lambda named: self._run.ready(named)[0].view)

    def _log_flags(self, trainer: pl.Trainer, findings: Sequence[Finding]) -> None:
        """`diag/<flag>`: 1 where it was raised for any adversary."""
        flags = {f"diag/{finding.flag}": float(finding.raised) for finding in sorted(findings, key=lambda f: f.raised)}
        for logger in trainer.loggers if flags else []:
            logger.log_metrics(flags, step=trainer.global_step)

    def _facts(self, trainer: pl.Trainer, model: DefendedClassifier) -> dict[str, Any]:
        return {
            "stage": stage_of(trainer),
            "epoch": trainer.current_epoch,
            "weights": weights_used(trainer, model, self.results.parent),
            "checkpoints": self._checkpoints(trainer),
            "system": model.system,
            "data": name_of_data(trainer),
            "cascade": self.cascade,
            "time_budget": self.time_budget,
        }

    def _checkpoints(self, trainer: pl.Trainer) -> dict[str, dict[str, Any]]:
        """Those that attacks read, by what they are named by."""
        named = sorted(set(paths([AttackRecord.of(named, "").written() for named in self.attacks], ("checkpoint",))))
        return {path: described(find_checkpoint(path, "checkpoint"), Path(trainer.default_root_dir)) for path in named}

    def _write_record(
        self, stage: str, attacks: tuple[AttackRecord, ...], facts: dict[str, Any], findings: Sequence[Finding]
    ) -> None:
        signs = {"diagnostics": [vars(finding) for finding in findings]}
        EvaluationRecord(attacks, facts | signs).write(self.results, stage)

    @rank_zero_only
    def _show_pictures(self, stage: str, trainer: pl.Trainer, model: DefendedClassifier) -> None:
        arrays = self._pictures.arrays(model)
        if "clean" not in arrays:
            return  # every sample was taken over from an interrupted run
        with atomic_file(self.results / f"{stage}_images.npz") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image(f"{stage}/images", [panel_figure(arrays)], step=trainer.global_step)


def _nothing(images: Tensor) -> Tensor:
    """No model: images that are looked up ask none."""
    return images
