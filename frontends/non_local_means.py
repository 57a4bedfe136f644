"""Non-local means."""

import math
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsefront.common.rules import check_rules, integers, number, one_of, positive
from sparsefront.frontends.base import FrontEnd
from sparsefront.frontends.parts.filters import within_range
from sparsefront.frontends.parts.shifts import Offset, half_window, pairs, shifted_mean

PatchWeights = Literal["uniform", "gaussian"]


def non_local_means(
    images: Tensor,
    patch_size: int,
    search_window: int,
    h: float,
    patch_weights: PatchWeights = "uniform",
) -> Tensor:
    """Smooth (B, C, H, W) images as `NonLocalMeans` does; differentiable once, memory independent of the window."""
    working = images.to(torch.promote_types(images.dtype, torch.float32))
    kernel = _kernel(patch_size, patch_weights)
    scale = 1 / (images.shape[1] * h**2)
    weigh = partial(_weights, kernel=kernel, scale=scale)
    guide = F.pad(working, (patch_size // 2,) * 4, mode="reflect")
    return shifted_mean(working, guide, half_window(search_window // 2), weigh).to(images.dtype)


def _kernel(patch_size: int, patch_weights: PatchWeights) -> list[float]:
    """Weights of a patch's rows, and of its columns, of sum 1."""
    if patch_weights == "uniform":
        return [1 / patch_size] * patch_size
    deviation = max((patch_size - 1) / 4, 0.25)  # a patch of one pixel has no width
    heights = [math.exp(-0.5 * ((place - patch_size // 2) / deviation) ** 2) for place in range(patch_size)]
    return [height / sum(heights) for height in heights]


def _weights(guide: Tensor, offset: Offset, kernel: list[float], scale: float) -> Tensor:
    """exp(-scale ||patch - patch||^2) of the pairs of patches whose centres lie in the image without its margin."""
    here, there = pairs(guide, offset)
    distance = (here - there).square().sum(dim=1, keepdim=True)
    for dim, factor in ((2, scale), (3, 1.0)):
        length, whole = distance.shape[dim] - len(kernel) + 1, distance
        distance = (factor * kernel[0]) * whole.narrow(dim, 0, length)
        for place in range(1, len(kernel)):
            distance.add_(whole.narrow(dim, place, length), alpha=factor * kernel[place])
    return distance.neg_().exp_()


def check_non_local_means(
    image_shape: tuple[int, int, int],
    patch_size: int,
    search_window: int,
    h: float,
    patch_weights: PatchWeights = "uniform",
) -> None:
    """Raise a ValueError unless a filter of these settings fits the images."""
    most = 2 * min(image_shape[1:]) - 1
    rules = [
        *integers(patch_size=patch_size, search_window=search_window),
        (
            patch_size % 2 == 1 and 1 <= patch_size <= most,
            f"`patch_size` must be odd and from 1 to {most} for images of {image_shape[1:]} pixels, whose border is "
            f"mirrored, found {patch_size}.",
        ),
        (
            search_window % 2 == 1 and search_window >= 1,
            f"`search_window` must be odd and at least 1, in pixels, found {search_window}.",
        ),
        *positive("write it in [0, 1] pixel units, 4 gray levels as 4/255", h=h),
        *one_of(get_args(PatchWeights), patch_weights=patch_weights),
    ]
    check_rules(rules)


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
        h: float | str = "4/255",
        patch_weights: PatchWeights = "uniform",
    ) -> None:
        super().__init__(image_shape)
        self.patch_size, self.search_window, self.h = patch_size, search_window, number(h, "h")
        self.patch_weights = patch_weights
        check_non_local_means(self.image_shape, patch_size, search_window, self.h, patch_weights)

    def forward(self, images: Tensor) -> Tensor:
        """Smooth (B, C, H, W) images."""
        smooth = non_local_means(images, self.patch_size, self.search_window, self.h, self.patch_weights)
        return within_range(smooth)
