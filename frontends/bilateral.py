"""The bilateral filter (Tomasi and Manduchi 1998)."""

from torch import Tensor

from sparsefront.common.pixel_size import PixelSize, pixel_size
from sparsefront.frontends.base import FrontEnd
from sparsefront.frontends.parts.bilateral_filter import Distance, Window, bilateral_filter, check_bilateral
from sparsefront.frontends.parts.filters import within_range


class Bilateral(FrontEnd):
    """Means over near pixels of near colours: edges stay (Tomasi and Manduchi 1998; in paper 004 for the background).

    y(p) = sum over q of w(p, q) x(q) / sum over q of w(p, q), with q in a window of `diameter` pixels around p and
    w(p, q) = exp(-|p - q|^2 / (2 `sigma_space`^2) - d(x(p), x(q))^2 / (2 `sigma_color`^2)), all channels with one
    weight. The border is mirrored, without repeating its pixels.

    With window "disc" and distance "l1" it is OpenCV's `bilateralFilter`; with "square", kornia's.

    Backward modes: `exact`, the true derivative (the default), and `identity`.

    Args:
        image_shape: (C, H, W) of the images.
        diameter: odd, of the window, in pixels (ours: three deviations hold little more than 9 pixels).
        sigma_color: standard deviation in colour, in [0, 1] pixel units; `50/255` is read (Tomasi and Manduchi's
            example).
        sigma_space: standard deviation in space, in pixels (Tomasi and Manduchi's example, 3).
        window: `disc`, pixels no farther than diameter / 2 rounded down, or `square`.
        distance: d between colours: `l1`, sum of the channels' differences, or `l2`, Euclidean.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        diameter: int = 9,
        sigma_color: PixelSize = "50/255",
        sigma_space: float = 3.0,
        window: Window = "disc",
        distance: Distance = "l1",
    ) -> None:
        super().__init__(image_shape)
        self.diameter, self.sigma_color, self.sigma_space = (
            diameter,
            pixel_size(sigma_color, "sigma_color"),
            sigma_space,
        )
        self.window, self.distance = window, distance
        check_bilateral(self.image_shape, diameter, self.sigma_color, sigma_space, window, distance)

    def forward(self, images: Tensor) -> Tensor:
        """Filter (B, C, H, W) images."""
        return within_range(
            bilateral_filter(images, self.diameter, self.sigma_color, self.sigma_space, self.window, self.distance)
        )
