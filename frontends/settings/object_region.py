"""Where the object is, as settings."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from sparsefront.common.rules import check_rules, one_of
from sparsefront.common.settings import checked_settings
from sparsefront.frontends.parts.localisation import Keep, Threshold, check_localisation, object_region

RegionShape = Literal["mask", "box", "all"]


@checked_settings
@dataclass(frozen=True)
class ObjectRegion:
    """Where `RegionSparse` codes an image: the object region of paper 004, section IV-C (see `object_region`).

    Attributes:
        shape: `mask` (the outline of the object), `box` around it, or `all` of the image.
        threshold: binarises the gradient image: `otsu` for each image by itself, `mean`, or a number.
        closing: side of the closing square, as a share of the image's smaller side.
        opening: side of the opening square, likewise.
        keep: `all` that remains is object, or the `largest` component.
        fallback: where nothing is found, code `all` of the image or `none` of it.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    shape: RegionShape = "mask"
    threshold: Threshold | float = "otsu"
    closing: float = 1 / 12
    opening: float = 1 / 32
    keep: Keep = "all"
    fallback: Literal["all", "none"] = "all"

    def __post_init__(self) -> None:
        shapes = one_of(get_args(RegionShape), shape=self.shape)
        check_rules([*shapes, *one_of(("all", "none"), fallback=self.fallback)])
        check_localisation(self.threshold, self.closing, self.opening, self.keep)

    @torch.no_grad()
    def find(self, images: Tensor) -> Tensor:
        """The region of (B, C, H, W) images, bool (B, 1, H, W), the fallback included."""
        if self.shape == "all":
            return torch.ones_like(images[:, :1], dtype=torch.bool)
        region = object_region(images, self.threshold, self.closing, self.opening, self.keep, self.shape)
        return region | ~region.any(dim=(2, 3), keepdim=True) if self.fallback == "all" else region
