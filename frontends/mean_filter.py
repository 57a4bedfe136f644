"""The average of each pixel's neighbours (Li and Li 2017)."""

from torch import Tensor

from sparsefront.common.rules import check_rules, fitting
from sparsefront.frontends.base import FrontEnd
from sparsefront.frontends.parts.filters import filter_separably


class MeanFilter(FrontEnd):
    """Each pixel becomes the mean of the k x k pixels around it, channel by channel.

    y(i, j) = 1/k^2 sum over a, b of x(i + a, j + b), a and b from -floor(k/2) to ceil(k/2) - 1. Borders are mirrored,
    edge pixels included (SciPy's `reflect`). Li and Li 2017 ("Adversarial examples detection in deep networks with
    convolutional filter statistics", section 5) undo adversarial images by it.

    Backward modes: `exact`, the transposed filter, the default; `identity`.

    Args:
        image_shape: (C, H, W) of the images.
        kernel_size: side k of the window in pixels; 3 is Li and Li's.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    def __init__(self, image_shape: tuple[int, int, int], kernel_size: int = 3) -> None:
        super().__init__(image_shape)
        check_rules(fitting(self.image_shape, kernel_size=kernel_size))
        self.kernel_size = kernel_size

    def forward(self, images: Tensor) -> Tensor:
        """Filter (B, C, H, W) images."""
        return filter_separably(images, [1 / self.kernel_size] * self.kernel_size)
