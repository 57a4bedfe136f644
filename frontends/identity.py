"""No defense."""

from torch import Tensor

from frontends.base import FrontEnd


class Identity(FrontEnd):
    """Hands the images on as they are: the undefended baseline that every table needs."""

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, C, H, W) `images` unchanged."""
        return images
