"""Stage one: a front end learns without labels."""

import warnings

import pytorch_lightning as pl
from pytorch_lightning.accelerators import CUDAAccelerator
from pytorch_lightning.strategies import DDPStrategy, ParallelStrategy, Strategy

from sparsefront.common import stopping
from sparsefront.data.base import ImageData
from sparsefront.frontends import FrontEnd
from sparsefront.training.learning_progress import LearningProgress
from sparsefront.training.stop_points import LearningStops, own_signals


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
        callbacks=[LearningStops(), *([LearningProgress()] if trainer.progress_bar_callback is not None else [])],
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
