"""`sparsefront predict` leaves a file."""

import csv
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import BasePredictionWriter

from sparsefront.common.atomic_file import atomic_file
from sparsefront.common.settings import checked_settings
from sparsefront.runs.log_folder import log_folder


@checked_settings
class PredictionWriter(BasePredictionWriter):
    """Writes `predictions.csv` (index, label, prediction, probability of each class) into the log folder.

    Where the front end returns codes, `codes.npz` beside it holds `codes` (N, C), the means over the positions, with
    their `index` and `label` (N,), for any other model to be fitted on. Several processes write one file each,
    `predictions_<rank>.csv` and `codes_<rank>.npz`.
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
        """Write all batches' predictions, each file whole or not at all."""
        folder = log_folder(trainer)
        suffix = f"_{trainer.global_rank}" if trainer.world_size > 1 else ""
        columns = {key: torch.cat([batch[key].cpu() for batch in predictions]) for key in predictions[0]}
        probability, codes = columns.pop("probability"), columns.pop("codes", None)
        path = folder / f"predictions{suffix}.csv"
        with atomic_file(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*columns, *(f"probability_{k}" for k in range(probability.shape[1]))])
            rows = torch.stack(list(columns.values()), dim=1).tolist()
            writer.writerows(
                [*row, *map("{:.6g}".format, p)] for row, p in zip(rows, probability.tolist(), strict=True)
            )
        if codes is not None:
            with atomic_file(folder / f"codes{suffix}.npz") as temporary:
                np.savez_compressed(
                    temporary, codes=codes.float().numpy(), index=columns["index"], label=columns["label"]
                )
