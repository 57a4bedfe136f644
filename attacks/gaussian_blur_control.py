"""A low-pass filter."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsefront.attacks.base import Attack
from sparsefront.attacks.parts.model import Model
from sparsefront.common.rules import check_rules, positive


@dataclass(frozen=True)
class GaussianBlurControl(Attack):
    """No adversary: the image without its high frequencies, by a Gaussian filter (paper 003 does not name its own).

    Pixels beyond the border are those at the border.

    Args:
        sigma: standard deviation of the Gaussian, in pixels.

    Raises:
        ValueError: sigma is not positive.
    """

    knowledge: ClassVar[str | None] = "control"

    sigma: float = 1.0

    def __post_init__(self) -> None:
        check_rules(positive("it is in pixels", sigma=self.sigma))

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Filter the rows, then the columns."""
        reach = math.ceil(4 * self.sigma)
        offsets = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
        kernel = torch.exp(-((offsets / self.sigma) ** 2) / 2)
        kernel = kernel / kernel.sum()
        height, width = images.shape[2:]
        filtered = F.pad(images, (reach, reach, reach, reach), mode="replicate").flatten(0, 1)[:, None]
        filtered = F.conv2d(F.conv2d(filtered, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
        return filtered.view(-1, images.shape[1], height, width).clamp(0, 1)
