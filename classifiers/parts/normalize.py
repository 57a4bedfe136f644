"""Normalisation, inside the classifier."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn


class Normalize(nn.Module):
    """(B, C, H, W) -> (x - mean) / std, channel by channel.

    Args:
        mean: one number a channel, in [0, 1] pixel units.
        std: likewise, positive.
        in_chans: C, to check them against.

    Raises:
        ValueError: lengths that are not C, or a `std` that is not positive; at call, images of other channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], in_chans: int) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            if len(values) != in_chans:
                raise ValueError(
                    f"`{name}` must have one number for each of {in_chans} channels, found {list(values)}."
                )
        if min(std) <= 0:
            raise ValueError(f"`std` must be positive, found {list(std)}.")
        # Settings, not weights: published weights come without them.
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    @classmethod
    def of_channels(
        cls,
        in_chans: int,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        colour: tuple[Sequence[float], Sequence[float]],
    ) -> Self:
        """By a classifier's settings: where one is None, the mean or std of `colour` for 3 channels, else 0 or 1.

        Raises:
            ValueError: as the class.
        """
        usual_mean, usual_std = colour if in_chans == 3 else ((0.0,) * in_chans, (1.0,) * in_chans)
        return cls(usual_mean if mean is None else mean, usual_std if std is None else std, in_chans)

    def forward(self, images: Tensor) -> Tensor:
        """Normalise."""
        if images.ndim != 4 or images.shape[1] != len(self.mean):  # one channel would broadcast
            raise ValueError(
                f"`images` must have shape (B, {len(self.mean)}, H, W), found {tuple(images.shape)}; "
                "give the classifier their number of channels as `in_chans`."
            )
        return (images - self.mean) / self.std
