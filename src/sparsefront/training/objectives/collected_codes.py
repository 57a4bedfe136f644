"""What a front end made of an epoch's images, on all processes."""

from typing import NamedTuple

import torch
from torch import Tensor

from sparsefront.common.processes import Processes


class CodesOfImages(NamedTuple):
    """Pooled codes of some images.

    Attributes:
        codes: (N, n_copies, K), the means over the positions.
        labels: (N,).
        indices: (N,), the images' numbers in the training set.
    """

    codes: Tensor
    labels: Tensor
    indices: Tensor


class CollectedCodes:
    """Keeps batches of codes on the CPU until an epoch has brought all."""

    def __init__(self) -> None:
        self._batches: list[CodesOfImages] = []

    def clear(self) -> None:
        """Forget the codes that were collected."""
        self._batches.clear()

    def add(self, codes: Tensor, labels: Tensor, indices: Tensor) -> None:
        """Keep a batch, see `CodesOfImages` for the shapes."""
        self._batches.append(CodesOfImages(codes.float().cpu(), labels.cpu(), indices.cpu()))

    def of_this_process(self) -> CodesOfImages:
        """All that this process was handed, in the order that it came in."""
        return _joined(self._batches)

    @staticmethod
    def of_all_processes(local: CodesOfImages) -> CodesOfImages:
        """Each image once, in the order of the images' numbers, so the same for any number of processes.

        No image counts twice, whether the sampler repeats some to share them out evenly or the data repeats rare ones.
        """
        everything = _joined(Processes().gathered(local))
        order = everything.indices.argsort(stable=True)
        ordered = everything.indices[order]
        first = torch.cat([torch.tensor([True]), ordered[1:] != ordered[:-1]])
        return CodesOfImages(*(column[order[first]] for column in everything))


def _joined(batches: list[CodesOfImages]) -> CodesOfImages:
    return CodesOfImages(*(torch.cat(columns) for columns in zip(*batches, strict=True)))
