"""A run's own folder."""

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities import rank_zero_only

from sparsefront.common.atomic_file import write_atomically
from sparsefront.common.checkpoints.checkpoint import Checkpoint
from sparsefront.common.checkpoints.taken_weights import TAKEN, note_taken
from sparsefront.common.run_versions import version_folder, version_number, versions_of
from sparsefront.runs.logging import keep_wandb_in


@rank_zero_only
def claim_version(trainer: pl.Trainer, taken: Checkpoint | None) -> None:
    """Make the folder `version_N` that everything of this run is written to, of the next free number.

    Runs that begin at the same time get folders of their own.

    Args:
        trainer: its first logger is the CSV.
        taken: the checkpoint that the run goes on from or tests, which is noted there.
    """
    logger = trainer.loggers[0]
    if not isinstance(logger, CSVLogger):
        return  # a `fast_dev_run` leaves nothing
    run_dir = Path(logger.root_dir)
    others = versions_of(run_dir)
    number = (version_number(others[0]) or 0) + 1 if others else 0
    while True:
        try:
            version_folder(run_dir, number).mkdir(parents=True)
            break
        except FileExistsError:
            number += 1
    logger._version = number  # private in Lightning 2.6: the public `version` is only taken when a logger is built
    keep_wandb_in(version_folder(run_dir, number), trainer.loggers)
    _ = logger.experiment  # it warns of a folder with files of others, which are this run's own a moment later
    if taken is not None:
        folder = version_folder(run_dir, number)
        write_atomically(folder / TAKEN, note_taken(folder, taken))
