"""The training, validation and test parts of a data set."""

from collections.abc import Callable, Collection
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from sparsefront.data.checks import share_count
from sparsefront.data.sources import ImageSource
from sparsefront.data.splits import stratified_cut

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

    A part with a source of its own is that whole source. The others are cut from the training source, test before
    validation, so that `val_size` never changes the test part.

    Args:
        read: gives the source of a part named in `own`.
        own: the parts with a source of their own; always has "train".
        val_size: validation images where they are cut: a count, or a float for a fraction of the training source.
        test_size: test images where they are cut, likewise.
        seed: fixes the cuts, and the order of a source that is stored class by class.
    """

    def __init__(
        self,
        read: Callable[[PartName], ImageSource],
        own: Collection[PartName],
        val_size: int | float,
        test_size: int | float,
        seed: int,
    ) -> None:
        self.read = read
        self.own = own
        self.val_size = val_size
        self.test_size = test_size
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
                self._read |= self._cut(self.read("train"))
            else:
                source = self.read(name)
                self._read[name] = Part(source, self._order(source.labels))
        return self._read[name]

    def _cut(self, source: ImageSource) -> dict[PartName, Part]:
        total = len(source)
        test = 0 if "test" in self.own else share_count(self.test_size, total)
        val = 0 if "val" in self.own else share_count(self.val_size, total)
        if test + val > total:
            raise ValueError(
                f"`val_size` and `test_size` must leave no more than the {total} images they are cut from, found {val}"
                f" and {test} images (val_size: {self.val_size}, test_size: {self.test_size}); make them smaller."
            )
        pieces = stratified_cut(source.labels, [test, val], self.seed)
        names: tuple[PartName, ...] = ("test", "val", "train")
        return {
            name: Part(source, piece)
            for name, piece in zip(names, pieces, strict=True)
            if name == "train" or name not in self.own
        }

    def _order(self, labels: Tensor) -> Tensor:
        """The source's own order, or the seed's where it is stored class by class."""
        if len(labels) and bool((labels.diff() >= 0).all()):
            return torch.randperm(len(labels), generator=torch.Generator().manual_seed(self.seed))
        return torch.arange(len(labels))
