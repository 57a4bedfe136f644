"""A split with a second modality."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sparsefront.data.named_batch import NamedBatch
from sparsefront.data.splits.sources import ImageSource
from sparsefront.data.splits.split import Split


class NamedSplit(Split):
    """Serve images together with the picture of a name.

    Args:
        source: the set, of N images.
        positions: (M,) int64 positions in the source.
        people: (N,) int64, whom each image of the source shows.
        pictures: (P, 1, h, w) uint8, the name of each of them.
    """

    def __init__(self, source: ImageSource, positions: Tensor, people: Tensor, pictures: Tensor) -> None:
        super().__init__(source, positions)
        self.people = people
        self.pictures = pictures

    def __getitems__(self, items: Sequence[int]) -> NamedBatch:
        """Serve a batch, see the base class."""
        batch = super().__getitems__(items)
        second = self.pictures[self.people[batch.index]]
        return NamedBatch(batch.image, batch.label, batch.index, second.to(torch.float32) / 255)
