"""Gaussian blur."""

import math

from torch import Tensor

from sparsefront.common.rules import check_rules, positive
from sparsefront.frontends.base import FrontEnd
from sparsefront.frontends.parts.filters import filter_separably


class GaussianBlur(FrontEnd):
    """Each pixel becomes the mean of those around it, weighted by a Gaussian of the distance, channel by channel.

    y(i, j) = sum over a, b of g(a) g(b) x(i + a, j + b), g(a) proportional to exp(-a^2 / (2 sigma^2)) for
    |a| <= r = floor(`truncate` sigma + 1/2), the weights g summing to 1. Borders are mirrored, edge pixels included
    (SciPy's `reflect`). Kurakin et al. 2017 ("Adversarial examples in the physical world", section 5) measure what
    blur does to adversarial images over a range of sigma; no paper fixes one for a defense.

    Backward modes: `exact`, the filter once more, the default; `identity`.

    Args:
        image_shape: (C, H, W) of the images.
        sigma: standard deviation of the Gaussian in pixels; the default 1 is this project's, not a paper's.
        truncate: where the Gaussian is cut, in multiples of sigma; 4 is SciPy's.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    def __init__(self, image_shape: tuple[int, int, int], sigma: float = 1.0, truncate: float = 4.0) -> None:
        super().__init__(image_shape)
        check_rules(positive("it is in pixels", sigma=sigma))
        check_rules(positive("4 keeps all but 1/10000", truncate=truncate))
        radius, smallest_side = int(truncate * sigma + 0.5), min(self.image_shape[1:])
        if radius > smallest_side:
            raise ValueError(
                f"`sigma` times `truncate` must be at most the image's smaller side {smallest_side}, found {radius}; "
                "lower either."
            )
        weights = [math.exp(-0.5 * (shift / sigma) ** 2) for shift in range(-radius, radius + 1)]
        self.weights = [weight / math.fsum(weights) for weight in weights]

    def forward(self, images: Tensor) -> Tensor:
        """Blur (B, C, H, W) images."""
        return filter_separably(images, self.weights)
