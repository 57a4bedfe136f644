"""Normalisation, inside the classifier."""

from collections.abc import Sequence

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

    def forward(self, images: Tensor) -> Tensor:
        """Normalise."""
        if images.ndim != 4 or images.shape[1] != len(self.mean):  # one channel would broadcast
            raise ValueError(
                f"`images` must have shape (B, {len(self.mean)}, H, W), found {tuple(images.shape)}; "
                "give the classifier their number of channels as `in_chans`."
            )
        return (images - self.mean) / self.std
