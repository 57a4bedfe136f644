"""Epoch and step of a model that another process trained."""

import pytorch_lightning as pl


def place(trainer: pl.Trainer, epoch: int, step: int) -> None:
    """Let a trainer that has trained nothing count from the epoch and step of a checkpoint.

    What is logged and written of a test then says those of its weights, not epoch 0.
    """
    loop = trainer.fit_loop
    if loop.epoch_progress.total.ready:
        return
    loop.epoch_progress.current.completed = epoch
    # private in Lightning 2.6: what loggers write as the step; it counts with the optimizer's alone in a fit
    loop.epoch_loop._batches_that_stepped = step
    loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step.total.completed = step
    loop.epoch_loop.manual_optimization.optim_step_progress.total.completed = step
