"""Stage one: a front end learns without labels."""

import warnings
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.accelerators import CUDAAccelerator
from pytorch_lightning.strategies import DDPStrategy, ParallelStrategy, Strategy

from sparsefront.common import stopping
from sparsefront.common.long_work import LongWork, in_words
from sparsefront.data.base import ImageData
from sparsefront.frontends import FrontEnd
from sparsefront.training.stop_points import LearningStops, own_signals


class _Progress(pl.Callback):
    """One bar over all batches that the front end learns from, whatever the epochs; elsewhere a line at the end.

    The remaining time is that of the part of the learning that is on, by what its steps took; parts that follow may
    differ a hundredfold, so it is said that there are some.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.steps, self.number = 0, pl_module.n_learning_steps if isinstance(pl_module, FrontEnd) else 0
        self.parts = [part for part in getattr(pl_module, "stages", ()) if part]
        self.parts = self.parts if sum(self.parts) == self.number else [self.number]
        self.work = LongWork("learning the front end", trainer.is_global_zero)
        self.begun, self.part = 0.0, 0

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        self.steps += 1
        part, first = self._part()
        if part != self.part:
            self.part, self.begun = part, self.work.elapsed
        end = first + self.parts[min(part, len(self.parts) - 1)]
        taken = self.work.elapsed - self.begun
        left = taken * (end - self.steps) / (self.steps - first) if self.steps > first else None
        shown = {name.removeprefix("frontend/"): value.item() for name, value in trainer.callback_metrics.items()}
        words = [f"step {self.steps} of {self.number}", *(f"{name} {value:.3g}" for name, value in shown.items())]
        if len(self.parts) > 1:
            words.insert(1, f"part {min(part + 1, len(self.parts))} of {len(self.parts)}, the time is this part's")
        self.work.show(self.steps / max(self.number, 1), ", ".join(words), left)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.work.close(f"learning the front end: {self.steps} steps in {in_words(self.work.elapsed)}")

    def on_exception(self, *args: Any) -> None:
        self.work.close()

    def _part(self) -> tuple[int, int]:
        """Number of the part that is on, and the steps before it."""
        before = 0
        for number, length in enumerate(self.parts):
            if self.steps < before + length:
                return number, before
            before += length
        return len(self.parts), before - self.parts[-1]


class _SummedStatistics(DDPStrategy):
    """Distributed, without the gradient-reducing wrapper: the front end sums its own statistics or gradients."""

    def configure_ddp(self) -> None:
        self.model = self.lightning_module


def learn_front_end(frontend: FrontEnd, data: ImageData, trainer: pl.Trainer) -> None:
    """Let `frontend` learn from the training images of `data`, on the devices of `trainer`.

    Does nothing if it has learned already. The images come without augmentation.

    Args:
        frontend: learns in place.
        data: a data module; labels are never looked at.
        trainer: the one of stage two; only its devices and its number of nodes are taken.
    """
    if frontend.learned:
        return
    n_learning_steps = frontend.n_learning_steps
    if trainer.fast_dev_run:  # type: ignore[attr-defined]
        frontend.n_learning_steps = 1
    strategy: Strategy | str = "auto"
    if isinstance(trainer.strategy, ParallelStrategy) and trainer.world_size > 1:
        strategy = _SummedStatistics(start_method=getattr(trainer.strategy, "_start_method", "popen"))
    stage = pl.Trainer(
        accelerator=trainer.accelerator,
        # On GPUs the very ones: `devices: [3]` must not learn on the first.
        devices=trainer.device_ids if isinstance(trainer.accelerator, CUDAAccelerator) else trainer.num_devices,
        num_nodes=trainer.num_nodes,
        strategy=strategy,
        max_epochs=-1,  # the front end stops it after `n_learning_steps` batches
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        callbacks=[LearningStops(), *([_Progress()] if trainer.progress_bar_callback is not None else [])],
        limit_val_batches=0,
    )
    own_signals(stage)
    stopping.keep_in_mind("the front end had not learned to its end, which begins anew")
    augmenting, data.augmenting = data.augmenting, False
    try:
        with warnings.catch_warnings():
            # True of stage one, by design: no validation, and a front end that keeps its own statistics or optimizer.
            warnings.filterwarnings("ignore", ".*have no `validation_step`|.*configure_optimizers` returned `None`")
            stage.fit(frontend, datamodule=data)
    finally:
        data.augmenting = augmenting
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            frontend.n_learning_steps = n_learning_steps
    if not frontend.learned:
        raise KeyboardInterrupt  # stopped by hand: do not go on with half a front end
