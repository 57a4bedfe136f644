"""An ensemble of random crops, rescaled (Guo et al. 2018)."""

import torch
from torch import Tensor

from sparsefront.common.rules import at_least, check_rules, fraction, unit_interval
from sparsefront.frontends.base import FrontEnd
from sparsefront.frontends.parts.resample import resample, scaled_places, whole_draws


class CropEnsemble(FrontEnd):
    """Makes of each image `n_crops` random crops, each rescaled bilinearly to the image's size.

    Guo et al. 2018 ("Countering adversarial images using input transformations", section 5) average a classifier's
    predictions over 30 crops of 90 x 90 pixels out of 224 x 224. A crop here is round(`crop` H) x round(`crop` W); its
    place is uniform among those inside the image, drawn anew for each crop in every call. The defended classifier
    averages the probabilities.

    Backward modes: `exact`, through the places drawn, the default; `identity`.

    Args:
        image_shape: (C, H, W) of the images.
        n_crops: crops an image; 30 is Guo et al.'s. Each costs a pass through the classifier.
        crop: side of a crop in multiples of the image's, above 0; `90/224`, Guo et al.'s, is read.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    randomised = True
    draws_each_image = True

    def __init__(self, image_shape: tuple[int, int, int], n_crops: int = 30, crop: float | str = "90/224") -> None:
        super().__init__(image_shape)
        self.crop = fraction(crop, "crop")
        check_rules([*at_least(1, n_crops=n_crops), *unit_interval("1 is the whole image", crop=self.crop)])
        self.n_copies = n_crops
        # Crops of the whole image's size have one place.
        self.randomised = any(self._crop_size(size) < size for size in self.image_shape[1:])

    def _crop_size(self, size: int) -> int:
        return max(1, round(self.crop * size))

    def forward(self, images: Tensor) -> Tensor:
        """Return (B * n_crops, C, H, W) crops of (B, C, H, W) images, an image's crops side by side."""
        return resample(images, self._places(images, -2), self._places(images, -1))

    def _places(self, images: Tensor, dim: int) -> Tensor:
        """Along one side: where each pixel (B, n_crops, size) of each crop is read."""
        size = images.shape[dim]
        crop_size = self._crop_size(size)
        places = scaled_places(crop_size, size, torch.arange(size, device=images.device, dtype=torch.float64))
        if crop_size == size:
            return places.expand(len(images), self.n_copies, size)
        bound = torch.tensor(size - crop_size, device=images.device)
        return whole_draws((len(images), self.n_copies, 1), bound) + places
