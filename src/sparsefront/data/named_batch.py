"""What a data module with a second modality hands over for training."""

from typing import NamedTuple

from torch import Tensor


class NamedBatch(NamedTuple):
    """Samples with a picture of the name of what each one shows.

    Attributes:
        image: (B, C, H, W) float32 pixels in [0, 1].
        label: (B,) int64 classes.
        index: (B,) int64, the sample's number in its source set.
        second: (B, 1, h, w) float32 pixels in [0, 1], the name in white on black.
    """

    image: Tensor
    label: Tensor
    index: Tensor  # type: ignore[assignment]  # takes the place of tuple.index
    second: Tensor
