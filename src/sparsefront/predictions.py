"""`sparsefront predict` leaves a file."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import BasePredictionWriter

from sparsefront.whole_file import whole_file


class PredictionWriter(BasePredictionWriter):
    """Writes `predictions.csv` (index, label, prediction, probability of each class) into the log folder.

    Several processes write one file each, `predictions_<rank>.csv`.
    """

    def __init__(self, write_interval: Literal["epoch"] = "epoch") -> None:
        super().__init__(write_interval)

    def write_on_epoch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        predictions: Sequence[Any],
        batch_indices: Sequence[Any],
    ) -> None:
        """Write all batches' predictions, whole or not at all."""
        folder = Path(trainer.log_dir or trainer.default_root_dir)
        suffix = f"_{trainer.global_rank}" if trainer.world_size > 1 else ""
        columns = {key: torch.cat([batch[key].cpu() for batch in predictions]) for key in predictions[0]}
        probability = columns.pop("probability")
        path = folder / f"predictions{suffix}.csv"
        with whole_file(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*columns, *(f"probability_{k}" for k in range(probability.shape[1]))])
            rows = torch.stack(list(columns.values()), dim=1).tolist()
            writer.writerows(
                [*row, *map("{:.6g}".format, p)] for row, p in zip(rows, probability.tolist(), strict=True)
            )
