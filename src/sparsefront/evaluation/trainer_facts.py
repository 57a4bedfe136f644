"""What an evaluation asks of its trainer."""

from typing import Any

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


def training_images(trainer: pl.Trainer, number: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The first training images without augmentation, the same on every process."""
    data = getattr(trainer, "datamodule", None)
    if not isinstance(data, ImageData):
        raise ValueError("an attack that is fitted on training images needs a data module, found a data loader.")
    batch = data.first_training_images(number)
    return batch.image.to(device), batch.label.to(device)


def gathered(mine: Any) -> list[Any]:
    """The same object from every process, in order of rank."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [mine]
    everybody: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everybody, mine)
    return everybody
