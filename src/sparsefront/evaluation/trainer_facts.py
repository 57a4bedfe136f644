"""What an evaluation asks of its trainer."""

import pytorch_lightning as pl
import torch
from torch import Tensor

from sparsefront.data.base import ImageData


def stage_of(trainer: pl.Trainer) -> str:
    """`test` where the trainer tests, else `val`."""
    return "test" if trainer.testing else "val"


def name_of_data(trainer: pl.Trainer) -> str:
    """Name of the data in tables: the data module's own, or its class."""
    data = getattr(trainer, "datamodule", None)
    if isinstance(data, ImageData):
        return data.display_name
    return type(data).__name__ if data is not None else "a data loader"


def among_first(limit: int | None, seen: int, count: int, trainer: pl.Trainer) -> int:
    """How many of the next `count` samples of this process, after `seen`, are among the loader's first `limit`."""
    if limit is None:
        return count
    # Evaluation is sharded by turns: process r of W holds the samples r, r + W, r + 2W, ...
    position = (seen + torch.arange(count)) * trainer.world_size + trainer.global_rank
    return int((position < limit).sum())


def number_to_follow(limit: int | None, trainer: pl.Trainer) -> int | None:
    """How many samples of an evaluation this process will meet, `limit` at most over all; None if nobody knows."""
    loaders = trainer.test_dataloaders if trainer.testing else trainer.val_dataloaders
    loaders = loaders if isinstance(loaders, list | tuple) else [loaders]
    batches = trainer.num_test_batches if trainer.testing else trainer.num_val_batches
    counts = []
    for loader, most in zip(loaders, batches, strict=False):
        size = getattr(loader, "batch_size", None)
        try:
            length = len(loader.sampler)
        except (TypeError, AttributeError):
            return None
        counts.append(length if size is None else min(length, int(min(most, length)) * size))
    return among_first(limit, 0, sum(counts), trainer)


def training_images(trainer: pl.Trainer, number: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The first training images without augmentation, in the trainer's precision, the same on every process."""
    data = getattr(trainer, "datamodule", None)
    if not isinstance(data, ImageData):
        raise ValueError("an attack that is fitted on training images needs a data module, found a data loader.")
    batch = trainer.precision_plugin.convert_input(data.first_training_images(number))
    return batch.image.to(device), batch.label.to(device)
