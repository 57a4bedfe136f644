"""Random resizing and padding (Xie et al. 2018)."""

import math
from typing import Literal

import torch
from torch import Tensor

from sparsefront.common.rules import check_rules, fraction, from_0_to_1, one_of, unit_interval
from sparsefront.frontends.base import FrontEnd
from sparsefront.frontends.parts.resample import resample, scaled_places, whole_draws


class RandomResizePad(FrontEnd):
    """Shrinks each image to a random size and puts it at a random place on an empty one of the old size.

    Xie et al. 2018 ("Mitigating adversarial effects through randomization", section 3.1) resize 299 x 299 images to a
    side from 299 to 330 and pad them with zeros to 331 x 331. A classifier here keeps the size that it was trained
    with, so the geometry is scaled: of an H x W image the height h is uniform among ceil(`smallest` H), ..., H, the
    width is round(W h / H), and the place is uniform among those where it fits.

    Every call draws anew for each image; an adversary needs `eot_iter`.

    Backward modes: `exact`, through the sizes and places drawn, the default; `identity`.

    Args:
        image_shape: (C, H, W) of the images.
        smallest: least height in multiples of H, above 0; `299/331`, Xie et al.'s, is read.
        interpolation: `nearest` is that of Xie et al.'s code; `bilinear`, without smoothing first.
        fill: value of the border, from 0 to 1; 0 is the paper's. In the authors' code, whose pixels go from -1 to 1,
            that is a middle gray, 0.5 here.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    randomised = True
    draws_each_image = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        smallest: float | str = "299/331",
        interpolation: Literal["nearest", "bilinear"] = "nearest",
        fill: float = 0.0,
    ) -> None:
        super().__init__(image_shape)
        self.smallest = fraction(smallest, "smallest")
        rules = [
            *unit_interval("1 keeps the size", smallest=self.smallest),
            *one_of(("nearest", "bilinear"), interpolation=interpolation),
            *from_0_to_1(fill=fill),
        ]
        check_rules(rules)
        self.interpolation, self.fill = interpolation, fill
        # A single place for a single size: nothing is drawn.
        self.randomised = self._least_height(self.image_shape[1]) < self.image_shape[1]

    def _least_height(self, height: int) -> int:
        return math.ceil(self.smallest * height)

    def forward(self, images: Tensor) -> Tensor:
        """Shrink and place (B, C, H, W) images."""
        height, width = images.shape[-2:]
        least = self._least_height(height)
        if least == height:
            return images
        bound = torch.tensor(height - least, device=images.device)
        heights = least + whole_draws((len(images), 1, 1), bound)
        widths = (width * heights / height).round().long().clamp(1, width)
        rows, within_rows = self._places(height, heights)
        columns, within_columns = self._places(width, widths)
        within = (within_rows[..., None] & within_columns[..., None, :]).to(images.dtype)
        return resample(images, rows, columns) * within + self.fill * (1 - within)

    def _places(self, size: int, sizes: Tensor) -> tuple[Tensor, Tensor]:
        """Along one side: where each pixel (B, 1, size) is read, and whether it is on the image and not beside it."""
        starts = whole_draws(tuple(sizes.shape), size - sizes)
        places = torch.arange(size, device=sizes.device) - starts
        within = (places >= 0) & (places < sizes)
        if self.interpolation == "nearest":
            nearest = torch.div((2 * places + 1) * size, 2 * sizes, rounding_mode="floor")
            return nearest.clamp(0, size - 1), within
        return scaled_places(size, sizes, places), within
