"""A part of a source set, ready for a DataLoader."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from sparsefront.data.batch import Batch
from sparsefront.data.named_batch import NamedBatch
from sparsefront.data.splits.sources import ImageSource


class Split(Dataset[Batch | NamedBatch]):
    """Serve the images at some positions of a source, batch by batch.

    Args:
        source: the set.
        positions: (M,) int64 positions in the source, which are also the samples' `index`.
    """

    def __init__(self, source: ImageSource, positions: Tensor) -> None:
        self.source = source
        self.positions = positions

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, item: int) -> Batch | NamedBatch:
        batch = self.__getitems__([item])
        return type(batch)(*(field[0] for field in batch))

    def __getitems__(self, items: Sequence[int]) -> Batch | NamedBatch:
        """Serve a batch; a DataLoader asks for one in this way.

        Args:
            items: B positions in this split.

        Returns:
            The B samples: (B, C, H, W) float32 pixels in [0, 1], (B,) labels, (B,) positions in the source.
        """
        numbers = self.positions[torch.as_tensor(items)]
        pixels = self.source.pixels(numbers)
        return Batch(pixels.to(torch.float32) / 255, self.source.labels[numbers], numbers)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random crops are drawn.

        Args:
            epoch: number of the epoch, from 0.
        """
        self.source.set_epoch(epoch)


def as_is(batch: Any) -> Any:
    """Collate nothing: a split serves whole batches."""
    return batch
