"""What an evaluation asks of its trainer."""

import pytorch_lightning as pl
import torch
from torch import Tensor

from sparsefront.data.base import ImageData


def stage_of(trainer: pl.Trainer) -> str:
    """`test` or `val`."""
    return "test" if trainer.testing else "val"


def name_of_data(trainer: pl.Trainer) -> str:
    """What the tables call the data."""
    data = getattr(trainer, "datamodule", None)
    return type(data).__name__ if data is not None else "a data loader"


def among_first(limit: int | None, seen: int, count: int, trainer: pl.Trainer) -> int:
    """How many of the next `count` samples of this process, after `seen`, are among the loader's first `limit`."""
    if limit is None:
        return count
    # Evaluation is sharded by turns: process r of W holds the samples r, r + W, r + 2W, ...
    position = (seen + torch.arange(count)) * trainer.world_size + trainer.global_rank
    return int((position < limit).sum())


def training_images(trainer: pl.Trainer, number: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The first training images without augmentation, the same on every process."""
    data = getattr(trainer, "datamodule", None)
    if not isinstance(data, ImageData):
        raise ValueError("an attack that is fitted on training images needs a data module, found a data loader.")
    batch = data.first_training_images(number)
    return batch.image.to(device), batch.label.to(device)
