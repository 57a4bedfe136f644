"""What a run shows of its epochs."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, ProgressBar, TQDMProgressBar
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm

from sparsefront.common.long_work import PATIENCE, duration_in_words, on_a_terminal, say
from sparsefront.evaluation.evaluation_callback import EvaluationCallback


def progress_of_run(trainer_settings: Mapping[str, Any], callbacks: Sequence[Callback]) -> list[ProgressBar]:
    """A bar on a terminal, lines elsewhere; none where none is wanted or the user has one of their own.

    Args:
        trainer_settings: of the `Trainer` that is about to be built.
        callbacks: those that it will have.
    """
    if trainer_settings.get("enable_progress_bar") is False or any(isinstance(one, ProgressBar) for one in callbacks):
        return []
    return [RunBars() if on_a_terminal() else RunLines()]


class RunBars(TQDMProgressBar):
    """Lightning's bars, but where attacks have a bar of their own there is no other of the same evaluation."""

    def init_validation_tqdm(self) -> Tqdm:
        """None while attacks run, whose own bar knows how long they take."""
        return Tqdm(disable=True) if self._attacked() else super().init_validation_tqdm()

    def init_test_tqdm(self) -> Tqdm:
        """Build no bar for a test while attacks run, which have one of their own."""
        return Tqdm(disable=True) if self._attacked() else super().init_test_tqdm()

    def _attacked(self) -> bool:
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        return any(isinstance(one, EvaluationCallback) and one.due(self.trainer) for one in callbacks)


class RunLines(ProgressBar):
    """A line an epoch, and another every so many seconds of a long one; nothing that draws over itself."""

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._start = self._said = time.monotonic()
        self._first = 0

    def disable(self) -> None:
        """Say nothing: not the first process."""
        self._enabled = False

    def enable(self) -> None:
        """Show the lines again, after `disable`."""
        self._enabled = True

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Print the words as they are, below what is shown."""
        if self._enabled:
            print(*args, **kwargs)

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Begin to count the time."""
        self._start = self._said = time.monotonic()
        self._first = trainer.current_epoch

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A line if the last one is long ago."""
        if time.monotonic() - self._said > PATIENCE:
            total = self.total_train_batches
            share = (batch_idx + 1) / total if total else 0
            of = f" of {total}" if total != float("inf") else ""
            self._say(trainer, pl_module, f"batch {batch_idx + 1}{of}, ", trainer.current_epoch + share)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line of an epoch: metrics, time so far, time left."""
        self._say(trainer, pl_module, "", trainer.current_epoch + 1)

    def _say(self, trainer: pl.Trainer, pl_module: pl.LightningModule, where: str, done: float) -> None:
        if not self._enabled:
            return
        self._said = time.monotonic()
        taken, epochs = self._said - self._start, trainer.max_epochs
        known = epochs is not None and epochs > 0
        metrics = {name: value for name, value in self.get_metrics(trainer, pl_module).items() if name != "v_num"}
        shown = "".join(f"{name} {value:.3g}, " for name, value in metrics.items() if isinstance(value, float | int))
        left = taken * (epochs - done) / (done - self._first) if known and done > self._first else None  # type: ignore[operator]
        rest = f", about {duration_in_words(left)} left" if left else ""
        of = f" of {epochs}" if known else ""
        say(f"epoch {trainer.current_epoch + 1}{of}: {where}{shown}{duration_in_words(taken)} so far{rest}")
