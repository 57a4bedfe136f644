"""The callback that attacks a defended classifier during validation and test."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from sparsefront.attacks import NamedAttack, Standard, expanded
from sparsefront.attacks.standard import Effort
from sparsefront.common.frozen_model import frozen_model
from sparsefront.common.home import at_home
from sparsefront.common.stopping import keep_in_mind
from sparsefront.data.batch import Batch
from sparsefront.evaluation.attack_progress import AttackProgress
from sparsefront.evaluation.attack_run import AttackRun
from sparsefront.evaluation.clean_count import CleanCount
from sparsefront.evaluation.evaluation_callback import EvaluationCallback, check_views
from sparsefront.evaluation.evaluation_loggers import attack_lines
from sparsefront.evaluation.evaluation_settings import check_evaluation_settings
from sparsefront.evaluation.fingerprint import fingerprint
from sparsefront.evaluation.gathered_evaluation import GatheredEvaluation
from sparsefront.evaluation.interrupted import resumed_rows
from sparsefront.evaluation.kept_pictures import KeptPictures
from sparsefront.evaluation.logged_metrics import logged_metrics
from sparsefront.evaluation.ongoing_evaluation import OngoingEvaluation
from sparsefront.evaluation.partial import Partial
from sparsefront.evaluation.results_writer import ResultsWriter
from sparsefront.evaluation.resumed_rows import ResumedRows
from sparsefront.evaluation.search_settings import SearchSettings
from sparsefront.evaluation.trainer_facts import name_of_data, number_to_follow, stage_of, training_images
from sparsefront.model.defended import DefendedClassifier
from sparsefront.results.attack_record import AttackRecord

_PICTURES, _SEARCH = KeptPictures(), SearchSettings()


class RobustEvaluation(EvaluationCallback):
    """Runs every named attack on the validation (or test) samples that are right, and keeps what happened to each.

    Each attack sees every sample that the deployed model gets right (or, with `search.cascade`, that the attacks before
    it left standing); what it returns is clipped to [0, 1] and scored by a fresh forward of the deployed model. Logged
    under `val/` or `test/`: `clean_acc` (share of these samples that is right) and their number `clean_acc/n` (`acc`
    and `acc/n` are over the whole loader), `robust_acc/<attack>` (share of *all* these samples still right, absent of
    an attack that found none left of those that were right), `robust_acc/worst` (right under
    every attack, sample by sample; controls, and attacks that minimise a norm without a bound, do not enter), the mean
    size of the perturbations that succeeded, `linf/<attack>` and `l2/<attack>`, and the share of the samples that were
    right that these are, `success/<attack>`; where the front end returns images
    the mean `psnr/` and `ssim/` of what the classifier sees, of `clean` images and of each attack's, against the clean
    ones. Attacks and their verdict are computed in the
    parameters' own precision, whatever autocast the trainer's `precision` adds to its steps. Written to the log folder:
    `results/<stage>_samples.csv`, `results/<stage>_attacks.json` and `results/<stage>_images.npz`, for
    `sparsefront-report`. Counts are exact on any number of processes. An attack that raises an error is reported as
    failed, never as survived.

    Args:
        attacks: the named attacks; from the command line they are the top-level list `attacks`. A protocol among them
            is a row for each attack that it makes of the model. `Standard(eps, norm, effort)` alone is the protocol in
            that ball, and `quick`, `standard` or `thorough` that of this effort in its default ball.
        every_n_epochs: during `fit`, run in every n-th validation only, and in the last.
        max_samples: attack only the first so many samples of the loader; null for all.
        time_budget: seconds after which no further batch is attacked; null for no bound. The table says how many
            samples it is over.
        search: whether attacks meet survivors alone, and in which precision they search, see `SearchSettings`.
        draws: forwards that a verdict is over where answers change from call to call: their mean probability
            decides, and an image counts as adversarial only if it fools more than half of them.
        pictures: which pictures are kept, see `KeptPictures`.
        diagnostics: samples on which signs of masked gradients are looked for, beside those that show in the rows.
        resume_from: folder of an interrupted `validate` or `test` run of the same model and attacks: its finished
            samples are taken over.

    Raises:
        ValueError: two attacks of one name, a setting out of range, or an attack that does not suit the model; before
            any training.
    """

    def __init__(
        self,
        attacks: Sequence[NamedAttack] | Standard | Effort = (),
        every_n_epochs: int = 1,
        max_samples: int | None = None,
        time_budget: float | None = None,
        search: SearchSettings = _SEARCH,
        draws: int = 10,
        pictures: KeptPictures = _PICTURES,
        diagnostics: int = 0,
        resume_from: str | None = None,
    ) -> None:
        protocol = Standard(effort=attacks) if isinstance(attacks, str) else attacks
        attacks = [NamedAttack(protocol.effort, protocol)] if isinstance(protocol, Standard) else protocol
        check_evaluation_settings(
            [named.name for named in attacks],
            every_n_epochs=every_n_epochs,
            max_samples=max_samples,
            time_budget=time_budget,
            draws=draws,
            diagnostics=diagnostics,
        )
        self.attacks = list(attacks)
        self.every_n_epochs = every_n_epochs
        self.max_samples = max_samples
        self.time_budget = time_budget
        self.search = search
        self.draws = draws
        self.pictures = pictures
        self.diagnostics = diagnostics
        self.resume_from = None if resume_from is None else at_home(resume_from)

    _progress: AttackProgress | None = None

    def check(self, model: DefendedClassifier) -> None:
        """Raise a ValueError that names the attack if one does not suit the model."""
        check_views("Attack", expanded(self.attacks, model), model)

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
        """Attack the batch, or count how many of it are right where no attack is due."""
        super().on_validation_batch_end(trainer, pl_module, outputs, batch, batch_idx, dataloader_idx)
        if self._clean is not None and isinstance(outputs, Tensor):
            self._clean.add(outputs, batch.label, trainer)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Finish the evaluation, or log the clean accuracy where none was due."""
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
        self._late = False  # whether the time budget kept samples from being attacked
        self._start = time.monotonic()
        shown = trainer.is_global_zero and trainer.progress_bar_callback is not None
        attacks = expanded(self.attacks, model)
        self._progress = AttackProgress(attacks, number_to_follow(self.max_samples, trainer), shown)
        with frozen_model(model):
            run = AttackRun(
                model,
                attacks,
                cascade=self.search.cascade,
                search_precision=self.search.precision,
                draws=self.draws,
                training_images=lambda number: training_images(trainer, number, model.device),
                progress=self._progress,
            )
        folder = self.results / f"{stage}_adversarial" if self.pictures.save_images else None
        self._ongoing = OngoingEvaluation(run, folder, trainer.global_rank, self.pictures.n_images, self.diagnostics)
        if trainer.state.fn != TrainerFn.FITTING:
            self._keep_rows(trainer, run, stage)

    def _keep_rows(self, trainer: pl.Trainer, run: AttackRun, stage: str) -> None:
        """Keep rows as they come, so that another run can go on from them, and take over those of one before."""
        backward = run.model.frontend.default_backward
        entries = [AttackRecord.of(named, backward).written() for named in run.attacks]
        saves = self.pictures.save_images
        settings: dict[str, Any] = {"cascade": self.search.cascade, "search_precision": self.search.precision}
        settings |= {"draws": self.draws, "save_images": saves}
        same = fingerprint(run.model, entries, stage=stage, data=name_of_data(trainer), **settings)
        resumed: ResumedRows | None = None
        if self.resume_from is not None:
            resumed = resumed_rows(Path(self.resume_from), stage, same)
            trainer.strategy.barrier()  # all have read before one begins rows of its own, which may lie beside these
            if trainer.is_global_zero:
                run.costs |= resumed.costs
        partial = Partial(self.results, stage, run.columns, same, trainer.global_rank, resumed, saves)
        self._ongoing.keep_rows(partial, resumed)
        folder = str(trainer.default_root_dir)
        keep_in_mind(f"the rows of its whole batches are kept in {folder}", "--evaluation.resume_from", folder)

    def follow(self, trainer: pl.Trainer, model: DefendedClassifier, batch: Batch, stage: str) -> None:
        """Attack one batch, unless time is up."""
        if self.time_budget is not None and time.monotonic() - self._start > self.time_budget:
            self._late = True
        else:
            self._ongoing.follow(batch)

    def finish(self, trainer: pl.Trainer, model: DefendedClassifier, stage: str) -> None:
        """Put the processes' samples together, log, write."""
        gathered = GatheredEvaluation.of(self._ongoing, self._late)
        some = len(gathered.samples) > 0
        attacks = expanded(self.attacks, model)
        entering = [named.name for named in attacks if named.in_worst_case]
        metrics = logged_metrics(gathered.samples, entering) if some else {}
        self._log(model, stage, metrics)
        if self._progress is not None:
            lines = attack_lines(stage, attacks, metrics, gathered.costs, gathered.errors) if some else ()
            self._progress.close(*lines)
        if trainer.is_global_zero and some:
            writer = ResultsWriter(trainer, self._ongoing, attacks, self.results, stage)
            settings = {"cascade": self.search.cascade, "time_budget": self.time_budget, "draws": self.draws}
            writer.write(gathered, self.diagnostics, settings)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Close the progress bar."""
        if self._progress is not None:
            self._progress.close()
