"""The scale that images are brought to before they are coded."""

from typing import Literal, get_args

import torch
from torch import Tensor

from sparsefront.common.rules import check_rules, one_of

Normalise = Literal["deviation", "mean", "none"]

_FLAT = 1e-3  # least deviation that images are divided by, in [0, 1] pixel units


class ImageScale:
    """Takes each image's mean away and divides by its standard deviation, or less, and brings signals back.

    `normalise` is `deviation`, both; `mean`, only that; or `none`; another word is a ValueError.
    """

    def __init__(self, normalise: Normalise) -> None:
        check_rules(one_of(get_args(Normalise), normalise=normalise))
        self.normalise = normalise

    def signals(self, images: Tensor) -> Tensor:
        """(B, C, H, W) images -> what is coded."""
        mean, deviation = self._moments(images)
        return (images - mean) / deviation

    def images(self, signals: Tensor, like: Tensor) -> Tensor:
        """Signals on the scale of the (B, C, H, W) images that they were read from, of their shape."""
        mean, deviation = self._moments(like)
        return mean + deviation * signals.view_as(like)

    def _moments(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Of each image (B, 1, 1, 1)."""
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        if self.normalise != "deviation":
            return mean if self.normalise == "mean" else torch.zeros_like(mean), torch.ones_like(mean)
        deviation = (images - mean).square().mean(dim=(1, 2, 3), keepdim=True).clamp_min(_FLAT**2).sqrt()
        return mean, deviation
