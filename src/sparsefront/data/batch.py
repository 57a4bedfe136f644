"""What a data module hands over."""

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Samples with their labels and their numbers in the data set.

    Attributes:
        image: (B, C, H, W) float32 pixels in [0, 1].
        label: (B,) int64 classes.
        index: (B,) int64, the sample's number in its source set; results are kept under it.
    """

    image: Tensor
    label: Tensor
    index: Tensor  # type: ignore[assignment]  # takes the place of tuple.index
