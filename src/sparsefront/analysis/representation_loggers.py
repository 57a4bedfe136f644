"""What loggers show of an analysis of representations."""

from collections.abc import Iterable
from typing import Any

from pytorch_lightning.loggers import Logger, WandbLogger

from sparsefront.figures.representation_figures import representation_figures
from sparsefront.results.representation_record import RepresentationRecord


def show_representations(
    loggers: Iterable[Logger], record: RepresentationRecord, system: str, stage: str, step: int
) -> None:
    """Hand all figures of a record to the W&B loggers, in one call; they differ in size, so each has a name of its own.

    Args:
        loggers: of the trainer.
        record: what the figures show.
        system: name of the model, in their titles.
        stage: `val` or `test`, in their names.
        step: the trainer's.
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            import wandb

            shown = representation_figures(record, system)
            pictures: Any = {f"{stage}/{one.key}": wandb.Image(one.figure, caption=one.title) for one in shown}
            logger.log_metrics(pictures, step=step)
