"""What callbacks that follow an evaluation have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from sparsefront.attacks import NamedAttack
from sparsefront.common.settings import CheckedSettings
from sparsefront.data.batch import Batch
from sparsefront.evaluation.trainer_facts import among_first, stage_of
from sparsefront.model.defended import DefendedClassifier
from sparsefront.runs.log_folder import log_folder


class EvaluationCallback(CheckedSettings, pl.Callback, ABC):
    """Follows a validation or a test of a `DefendedClassifier`, batch by batch, where it is due.

    Attributes:
        max_samples: follow only the first so many samples of the loader; None for all.
        results: the folder that results are written to, once the evaluation has begun.
    """

    max_samples: int | None
    results: Path
    _following = False
    _seen = 0

    @abstractmethod
    def due(self, trainer: pl.Trainer) -> bool:
        """Whether to follow the evaluation that begins."""

    @abstractmethod
    def begin(self, trainer: pl.Trainer, model: DefendedClassifier, stage: str) -> None:
        """Start an evaluation without rows; `stage` is `val` or `test`."""

    @abstractmethod
    def follow(self, trainer: pl.Trainer, model: DefendedClassifier, batch: Batch, stage: str) -> None:
        """Look at a batch of at least one sample, tensors of its own."""

    @abstractmethod
    def finish(self, trainer: pl.Trainer, model: DefendedClassifier, stage: str) -> None:
        """Put the processes' samples together, log, write."""

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin an evaluation, if one is due."""
        self._following = False
        if isinstance(pl_module, DefendedClassifier) and self.due(trainer):
            self._following, self._seen = True, 0
            # Here, where all processes ask: Lightning sends the folder from the first to the others.
            self.results = log_folder(trainer) / "results"
            self.begin(trainer, pl_module, stage_of(trainer))

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Follow what of the batch is among the first `max_samples`, whichever process holds them."""
        if not self._following or not isinstance(pl_module, DefendedClassifier):
            return
        count = len(batch.label)
        kept = among_first(self.max_samples, self._seen, count, trainer)
        self._seen += count
        if kept:
            followed = Batch(*(field[:kept].clone() for field in (batch.image, batch.label, batch.index)))
            self.follow(trainer, pl_module, followed, stage_of(trainer))

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Finish the evaluation, if one was due."""
        if self._following and isinstance(pl_module, DefendedClassifier):
            self._following = False
            self.finish(trainer, pl_module, stage_of(trainer))

    on_test_epoch_start = on_validation_epoch_start
    on_test_batch_end = on_validation_batch_end
    on_test_epoch_end = on_validation_epoch_end


def check_views(kind: str, named: Iterable[NamedAttack], model: DefendedClassifier) -> None:
    """Raise an error that names the attack, as the `kind` it serves as, if it does not suit the model."""
    for one in named:
        try:
            one.attack.check_budget(model.frontend.image_shape)
            one.view(model)
            one.attack.check_classes(model.num_classes)
        except (ValueError, FileNotFoundError) as error:
            raise type(error)(f"{kind} {one.name!r}: {error}") from None
