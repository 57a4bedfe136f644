"""The filter of what is not the object, as settings."""

from dataclasses import dataclass

from torch import Tensor

from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import check_rules, positive
from sparsefront.common.settings import checked_settings
from sparsefront.frontends.parts.bilateral_filter import bilateral_filter, check_bilateral


@checked_settings
@dataclass(frozen=True)
class BackgroundFilter:
    """The bilateral filter that `RegionSparse` suppresses the background with; its sizes are those of `Bilateral`.

    Attributes:
        diameter: odd, of the filter's window, in pixels.
        sigma_color: its deviation in colour, in [0, 1] pixel units; `50/255` is read.
        sigma_space: its deviation in space, in pixels.
    """

    diameter: int = 9
    sigma_color: PixelSize = "50/255"
    sigma_space: float = 3.0

    def __post_init__(self) -> None:
        check_rules(positive("write it in [0, 1] pixel units", sigma_color=float(self.sigma_color)))

    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Raise a ValueError unless such a filter fits images (C, H, W)."""
        check_bilateral(image_shape, self.diameter, float(self.sigma_color), self.sigma_space)

    def __call__(self, images: Tensor) -> Tensor:
        """Filter (B, C, H, W) images."""
        return bilateral_filter(images, self.diameter, float(self.sigma_color), self.sigma_space)
