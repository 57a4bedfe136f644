"""No defense."""

from typing import Any

from torch import Tensor

from frontends.base import FrontEnd, ImageMap


class Identity(FrontEnd):
    """Hands the images on as they are: the undefended baseline that every table needs."""

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, C, H, W) `images` unchanged."""
        return images

    def stand_in(self, backward: str, **settings: Any) -> ImageMap:
        """Return the identity for every mode: where nothing is in the way, all of them have this derivative.

        So a defense's attacks run on the undefended model as they are.
        """
        return self.forward
