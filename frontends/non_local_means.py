"""Non-local means (Buades et al. 2005)."""

from torch import Tensor

from sparsefront.common.pixel_size import PixelSize, pixel_size
from sparsefront.frontends.base import FrontEnd
from sparsefront.frontends.parts.filters import within_range
from sparsefront.frontends.parts.non_local_means import PatchWeights, check_non_local_means, non_local_means


class NonLocalMeans(FrontEnd):
    """Means over pixels whose surroundings look alike (Buades et al. 2005; as a defense: Xu et al. 2018, sec. III-B).

    y(p) = sum over q of w(p, q) x(q) / sum over q of w(p, q), with q in the search window around p and within the
    image, and w(p, q) = exp(-||P(p) - P(q)||^2 / `h`^2). ||.||^2 is the mean of squared differences over the channels
    and the pixels of the patches around p and q, all pixels alike or those near the centre more. Beyond the border,
    patches see the image mirrored.

    Paper 004's equation 16 has the sum in the mean's place and h in its square's: its h is C n^2 times `h`^2.

    Backward modes: `exact`, the true derivative (the default), and `identity`.

    Args:
        image_shape: (C, H, W) of the images.
        patch_size: n, odd side of the patches compared, in pixels (Xu et al.: 3; Buades et al.: 7).
        search_window: odd side of the search window, in pixels (Xu et al.: 11, for CIFAR-10 13; Buades et al.: 21).
        h: degree of filtering, in [0, 1] pixel units; `4/255` is read (Xu et al.: 4 levels, for CIFAR-10 2).
        patch_weights: `uniform`, as OpenCV, or `gaussian` of deviation (n - 1) / 4, as scikit-image.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        patch_size: int = 3,
        search_window: int = 11,
        h: PixelSize = "4/255",
        patch_weights: PatchWeights = "uniform",
    ) -> None:
        super().__init__(image_shape)
        self.patch_size, self.search_window, self.h = patch_size, search_window, pixel_size(h, "h")
        self.patch_weights = patch_weights
        check_non_local_means(self.image_shape, patch_size, search_window, self.h, patch_weights)

    def forward(self, images: Tensor) -> Tensor:
        """Smooth (B, C, H, W) images."""
        smooth = non_local_means(images, self.patch_size, self.search_window, self.h, self.patch_weights)
        return within_range(smooth)
