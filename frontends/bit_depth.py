"""Fewer bits a pixel (Xu et al. 2018)."""

from collections.abc import Callable

from torch import Tensor

from sparsefront.common.rules import between, check_rules
from sparsefront.frontends.base import FrontEnd, ImageMap
from sparsefront.frontends.parts.rounding import Slope, rounded


class BitDepth(FrontEnd):
    """Rounds each channel of each pixel to one of 2^b equally spaced values from 0 to 1.

    y = round((2^b - 1) x) / (2^b - 1), halves to even (Xu et al. 2018, "Feature squeezing", section III.A).

    Backward modes:

    * `identity`, the default (Athalye et al. 2018, section 5.3, break it by this one);
    * `smooth`: with u = (2^b - 1) x the derivative of [u] + (u - [u])^3, 3 (u - [u])^2 (Shin and Song 2017);
    * `exact`: 0 almost everywhere. An attack through it is blind: use it to show masking, not robustness.

    Args:
        image_shape: (C, H, W) of the images.
        bits: b, from 1 to 8; 3 is Guo et al.'s (2018, "Countering adversarial images using input transformations",
            section 5). Xu et al. take 1 for MNIST and 5 for CIFAR-10 and ImageNet.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    default_backward = "identity"

    def __init__(self, image_shape: tuple[int, int, int], bits: int = 3) -> None:
        super().__init__(image_shape)
        check_rules(between(1, 8, "8 is what images are stored with", bits=bits))
        self.bits = bits

    def forward(self, images: Tensor) -> Tensor:
        """Quantise (B, C, H, W) images."""
        return self._quantise(images, "exact")

    def _quantise(self, images: Tensor, slope: Slope) -> Tensor:
        steps = 2**self.bits - 1
        quantized: Tensor = rounded(images * steps, slope, halves="even") / steps
        return quantized

    def backward_modes(self) -> dict[str, Callable[..., ImageMap]]:
        """`identity`, `smooth` and `exact`."""
        return {**super().backward_modes(), "smooth": self._smooth}

    def _smooth(self) -> ImageMap:
        return lambda images: self._quantise(images, "cubic")
