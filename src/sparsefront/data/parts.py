"""The training, validation and test parts of a data set."""

from collections.abc import Callable, Collection, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from sparsefront.data.sources import ImageSource

PartName = Literal["train", "val", "test"]


class Part(NamedTuple):
    """Some images of a source.

    Attributes:
        source: the set.
        positions: (M,) int64 positions in it, in the order served.
    """

    source: ImageSource
    positions: Tensor


class Parts:
    """Read and cut parts on first use; they never overlap.

    A part with a source of its own is that whole source. The others are cut from the training source.

    Args:
        read: gives the source of a part named in `own`.
        own: the parts with a source of their own; always has "train".
        cut: gives the positions in the training source of the training part and of the parts not named in `own`.
        seed: fixes the order of a source that is stored class by class.
    """

    def __init__(
        self,
        read: Callable[[PartName], ImageSource],
        own: Collection[PartName],
        cut: Callable[[ImageSource], Mapping[PartName, Tensor]],
        seed: int,
    ) -> None:
        self.read = read
        self.own = own
        self.cut = cut
        self.seed = seed
        self._read: dict[PartName, Part] = {}

    def __getitem__(self, name: PartName) -> Part:
        """Give a part.

        Args:
            name: "train", "val" or "test".

        Returns:
            Its source and positions.

        Raises:
            ValueError: the cuts ask for more images than there are.
        """
        if name not in self._read:
            if name == "train" or name not in self.own:
                source = self.read("train")
                self._read |= {part: Part(source, positions) for part, positions in self.cut(source).items()}
            else:
                source = self.read(name)
                self._read[name] = Part(source, self._order(source.labels))
        return self._read[name]

    def _order(self, labels: Tensor) -> Tensor:
        """The source's own order, or the seed's where it is stored class by class."""
        if len(labels) and bool((labels.diff() >= 0).all()):
            return torch.randperm(len(labels), generator=torch.Generator().manual_seed(self.seed))
        return torch.arange(len(labels))
