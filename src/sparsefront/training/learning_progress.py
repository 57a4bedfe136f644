"""How far stage one is."""

from typing import Any

import pytorch_lightning as pl

from sparsefront.common.long_work import LongWork, duration_in_words
from sparsefront.frontends import FrontEnd


class LearningProgress(pl.Callback):
    """One bar over all batches that a front end learns from, whatever the epochs; elsewhere a line at the end.

    The remaining time is that of the stage of the learning that is on, by what its steps took. Stages that follow may
    differ a hundredfold, so it is said that there are some.
    """

    begun = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Ask the front end for its steps, and its stages if they add up to these."""
        self.steps = 0
        self.total = pl_module.n_learning_steps if isinstance(pl_module, FrontEnd) else 0
        stages = [length for length in getattr(pl_module, "stages", ()) if length]
        self.stages = stages if sum(stages) == self.total else [self.total]
        self.stage = 0
        self.stage_begun = 0.0
        self.work = LongWork("learning the front end", trainer.is_global_zero)
        self.begun = True

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """Show one step more."""
        self.steps += 1
        stage, first = self._stage()
        if stage != self.stage:
            self.stage = stage
            self.stage_begun = self.work.elapsed
        end = first + self.stages[min(stage, len(self.stages) - 1)]
        elapsed = self.work.elapsed - self.stage_begun
        left = elapsed * (end - self.steps) / (self.steps - first) if self.steps > first else None
        metrics = {name.removeprefix("frontend/"): value.item() for name, value in trainer.callback_metrics.items()}
        words = [f"step {self.steps} of {self.total}", *(f"{name} {value:.3g}" for name, value in metrics.items())]
        if len(self.stages) > 1:
            words.insert(1, f"part {min(stage + 1, len(self.stages))} of {len(self.stages)}, the time is this part's")
        self.work.show(self.steps / max(self.total, 1), ", ".join(words), left)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say how long it took."""
        self.work.close(f"learning the front end: {self.steps} steps in {duration_in_words(self.work.elapsed)}")

    def on_exception(self, *args: Any) -> None:
        """Close the bar, if it was opened: data may be refused before the first step."""
        if self.begun:
            self.work.close()

    def _stage(self) -> tuple[int, int]:
        """Number of the stage that is on, and the steps before it."""
        before = 0
        for number, length in enumerate(self.stages):
            if self.steps < before + length:
                return number, before
            before += length
        return len(self.stages), before - self.stages[-1]
