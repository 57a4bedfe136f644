"""The training, validation and test parts of a data set."""

from collections.abc import Callable, Collection, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from sparsefront.data.splits.sources import ImageSource

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

    A part with a source of its own is that whole source. The others are cut from the training source. Of all of them
    what equals an image of another part may be left out.

    Args:
        read: gives the source of a part named in `own`.
        own: the parts with a source of their own; always has "train".
        cut: gives the positions in the training source of the training part and of the parts not named in `own`.
        seed: fixes the order of a source that is stored class by class.
        keep: gives those of a part's positions that stay in it; all of them where it is None.
    """

    def __init__(
        self,
        read: Callable[[PartName], ImageSource],
        own: Collection[PartName],
        cut: Callable[[ImageSource], Mapping[PartName, Tensor]],
        seed: int,
        keep: Callable[[PartName, Tensor], Tensor] | None = None,
    ) -> None:
        self.read = read
        self.own = own
        self.cut = cut
        self.seed = seed
        self.keep = keep
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
                self._read |= {part: self._part(part, source, cut) for part, cut in self.cut(source).items()}
            else:
                source = self.read(name)
                self._read[name] = self._part(name, source, self._order(source.labels))
        return self._read[name]

    def _part(self, name: PartName, source: ImageSource, positions: Tensor) -> Part:
        return Part(source, positions if self.keep is None else self.keep(name, positions))

    def _order(self, labels: Tensor) -> Tensor:
        """The source's own order, or the seed's where it is stored class by class."""
        if len(labels) and int((labels.diff() != 0).sum()) < len(labels.unique()):
            return torch.randperm(len(labels), generator=torch.Generator().manual_seed(self.seed))
        return torch.arange(len(labels))
