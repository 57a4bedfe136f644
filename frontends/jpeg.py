"""JPEG compression and decompression (Dziugaite et al. 2016, Guo et al. 2018)."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from sparsefront.common.rules import between, check_rules, one_of
from sparsefront.frontends.base import FrontEnd, ImageMap
from sparsefront.frontends.parts.jpeg_tables import fixed_point_dct, quantisation_tables
from sparsefront.frontends.parts.rounding import Slope, rounded

Subsampling = Literal["4:2:0", "4:4:4"]


class JPEG(FrontEnd):
    """What is left of an image after it was written as a JPEG file and read again, without the file.

    round(255 x) -> Y, Cb, Cr -> with `4:2:0` the mean of each 2 x 2 of Cb and Cr -> DCT X of 8 x 8 blocks ->
    [X / Q] Q, Q the standard's tables scaled to `quality` -> inverse DCT -> triangle interpolation of Cb and Cr ->
    R, G, B, clipped. Only [X / Q] throws away what the file does not hold, but every step rounds to integers, here in
    libjpeg's 13- and 16-bit fixed point, exactly represented in double precision: the result is Pillow's on
    libjpeg-turbo, pixel for pixel, whatever the device and the batch. A gray image is Y alone.

    Backward modes:

    * `identity`, the default (Athalye et al. 2018, section 5.3, break JPEG by this one);
    * `smooth`: 3 (u - [u])^2 for the derivative of [u], u = X / Q, that of [u] + (u - [u])^3 (Shin and Song 2017,
      "JPEG-resistant adversarial images"), and 1 for the other roundings;
    * `exact`: 0 almost everywhere. An attack through it is blind: use it to show masking, not robustness.

    Args:
        image_shape: (C, H, W) of the images, C 1 or 3.
        quality: from 1 to 100; 75 is Dziugaite et al.'s and Guo et al.'s (section 5).
        subsampling: of Cb and Cr; `4:2:0` is the default of Pillow, which Guo et al. use, `4:4:4` is none.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    default_backward = "identity"
    tables: Tensor
    across: Tensor
    down: Tensor

    def __init__(
        self, image_shape: tuple[int, int, int], quality: int = 75, subsampling: Subsampling = "4:2:0"
    ) -> None:
        super().__init__(image_shape)
        rules = [
            (
                self.image_shape[0] in (1, 3),
                f"`image_shape` of JPEG must have 1 or 3 channels, found {self.image_shape[0]}; "
                "the format holds gray and RGB images.",
            ),
            *between(1, 100, quality=quality),
            *one_of(get_args(Subsampling), subsampling=subsampling),
        ]
        check_rules(rules)
        self.quality, self.subsampling = quality, subsampling
        # Integers, which no `half()` rounds; not in checkpoints, since the settings rebuild them.
        self.register_buffer("tables", quantisation_tables(quality).flatten(1), persistent=False)
        dct, one = fixed_point_dct(), torch.eye(8, dtype=torch.long)
        self.register_buffer("across", torch.kron(one, dct), persistent=False)
        self.register_buffer("down", torch.kron(dct, one), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Compress and decompress (B, C, H, W) images."""
        return self._compress(images, "exact")

    def backward_modes(self) -> dict[str, Callable[..., ImageMap]]:
        """`identity`, `smooth` and `exact`."""
        return {**super().backward_modes(), "smooth": self._smooth}

    def _smooth(self) -> ImageMap:
        return lambda images: self._compress(images, "cubic")

    def _compress(self, images: Tensor, slope: Slope) -> Tensor:
        # All integers outside the transform are below 2^24 and so exact in float32.
        values = images if images.dtype == torch.float64 else images.float()
        pixels = rounded(255 * values, "straight")
        if self.image_shape[0] == 1:
            decoded = self._code(pixels, 0, slope)
        else:
            luma, chroma = _to_ycc(pixels)
            luma = self._code(luma, 0, slope)
            size = luma.shape[-2:]
            if self.subsampling == "4:2:0":
                chroma = _upsampled(self._code(_subsampled(chroma), 1, slope), size)
            else:
                chroma = self._code(chroma, 1, slope)
            decoded = _to_rgb(luma, chroma)
        return (decoded / 255).to(images.dtype)

    def _code(self, planes: Tensor, table: int, slope: Slope) -> Tensor:
        """Quantise the DCT of (B, P, h, w) integers from 0 to 255, and back."""
        height, width = planes.shape[-2:]
        padded = F.pad(planes - 128, (0, -width % 8, 0, -height % 8), mode="replicate")
        blocks = padded.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8)).transpose(-3, -2)  # (B, P, h/8, w/8, 8, 8)
        # A block as a vector of 64; double precision holds all integers on the way.
        across, down, quantum = self.across.double(), self.down.double(), 8 * self.tables[table].double()
        half = _rounded(blocks.flatten(-2).double() @ across.T, 2**11)
        coefficients = rounded(_rounded(half @ down.T, 2**15) / quantum, slope, halves="away")
        half = _rounded((coefficients * (quantum / 8)) @ down, 2**11)
        decoded = _rounded(half @ across, 2**18).to(planes.dtype).view(blocks.shape)
        decoded = decoded.transpose(-3, -2).flatten(-4, -3).flatten(-2, -1)
        return (decoded[..., :height, :width] + 128).clamp(0, 255)


def _rounded(numerator: Tensor, divisor: int) -> Tensor:
    """Round numerator / divisor, a power of 2, halves up, with the derivative of the division."""
    return rounded(numerator * (1 / divisor), "straight")


def _sum(weights: tuple[int, int, int], planes: tuple[Tensor, ...]) -> Tensor:
    total = weights[0] * planes[0]
    for weight, plane in zip(weights[1:], planes[1:], strict=True):
        total = torch.add(total, plane, alpha=weight)
    return total


def _to_ycc(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Y (B, 1, H, W) and Cb, Cr (B, 2, H, W) of RGB integers: the weights of JFIF in 16-bit fixed point."""
    planes = pixels.unbind(1)
    luma = _rounded(_sum((19595, 38470, 7471), planes), 2**16)
    # Halves down, by the 1 taken off.
    blueness = _rounded(_sum((-11059, -21709, 32768), planes) - 1, 2**16)
    redness = _rounded(_sum((32768, -27439, -5329), planes) - 1, 2**16)
    return luma[:, None], torch.stack([blueness, redness], dim=1) + 128


def _to_rgb(luma: Tensor, chroma: Tensor) -> Tensor:
    """RGB (B, 3, H, W) from 0 to 255 of Y (B, 1, H, W) and Cb, Cr (B, 2, H, W)."""
    blueness, redness = (chroma - 128).unbind(1)
    red = _rounded(91881 * redness, 2**16)
    green = _rounded(torch.add(-22554 * blueness, redness, alpha=-46802), 2**16)
    blue = _rounded(116130 * blueness, 2**16)
    return (luma + torch.stack([red, green, blue], dim=1)).clamp(0, 255)


def _subsampled(planes: Tensor) -> Tensor:
    """Means of 2 x 2 pixels; halves go down in even columns and up in odd ones, so that no bias remains."""
    height, width = planes.shape[-2:]
    # To whole blocks along a row, but only to a pair of rows: the block below is filled with means.
    planes = F.pad(planes, (0, -width % 16, 0, height % 2), mode="replicate")
    total = planes[..., ::2, :] + planes[..., 1::2, :]
    total = total[..., ::2] + total[..., 1::2]
    total = total - 1 + torch.arange(total.shape[-1], device=total.device) % 2
    return _rounded(total, 4)


def _upsampled(planes: Tensor, size: torch.Size) -> Tensor:
    """Twice the rows and columns, cut to `size`: each the weighted mean 3 : 1 of the nearest and the next pixel."""
    height, width = (size[0] + 1) // 2, (size[1] + 1) // 2
    planes = planes[..., :height, :width]
    if width <= 2:  # libjpeg's own exception
        return planes.repeat_interleave(2, -2).repeat_interleave(2, -1)[..., : size[0], : size[1]]
    around = F.pad(planes, (0, 0, 1, 1), mode="replicate")
    rows = torch.stack([3 * planes + around[..., :-2, :], 3 * planes + around[..., 2:, :]], dim=-2).flatten(-3, -2)
    around = F.pad(rows, (1, 1, 0, 0), mode="replicate")
    left, right = 3 * rows + around[..., :-2], 3 * rows + around[..., 2:]
    return _rounded(torch.stack([left, right - 1], dim=-1).flatten(-2, -1), 16)[..., : size[0], : size[1]]
