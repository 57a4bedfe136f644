"""From quantised codes back to images: the decoders of paper 001 (section 3.3) and of its authors' ablations."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from sparsefront.common.changes.cropped import Cropped

Decoder = Literal["transposed", "small", "deep", "resize", "identity"]


class CenterCrop(nn.Module):
    """(B, C, h, w) -> (B, C, H, W): the middle of a larger map; a smaller one is continued by its border."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, maps: Tensor) -> Tensor:
        """Crop or continue each side by half of what is too much or missing."""
        extra_h, extra_w = self.height - maps.shape[-2], self.width - maps.shape[-1]
        top, left = extra_h // 2 if extra_h > 0 else -(-extra_h // 2), extra_w // 2 if extra_w > 0 else -(-extra_w // 2)
        padding = (left, extra_w - left, top, extra_h - top)
        crop = tuple(min(side, 0) for side in padding)
        grow = tuple(max(side, 0) for side in padding)
        maps = F.pad(maps, crop)
        return F.pad(maps, grow, mode="replicate") if any(grow) else maps

    def change_step(self) -> Cropped:
        """How a change of larger maps is followed."""
        return Cropped(self.height, self.width)


def build_decoder(
    kind: Decoder, n_atoms: int, image_shape: tuple[int, int, int], patch_size: int, stride: int
) -> nn.Module:
    """Build a decoder (B, `n_atoms`, h, w) codes -> (B, C, H, W) images in [0, 1].

    Every layer is followed by a ReLU, the result is cropped to the image size and clamped to [0, 1].

    * `transposed`: transposed convolutions n_atoms -> 300 (patch size, stride) -> 100 (3×3) -> C (3×3), the paper's.
    * `small`: the same with 30 and 10 channels.
    * `deep`: 300 (patch size, stride) -> 100 -> 30, resized bicubically to the image size + 2, -> 10 -> C.
    * `resize`: 300 (3×3, stride 1), resized bicubically to the image size + 2, -> 100 -> C.
    * `identity`: hands the codes on; the classifier then reads `n_atoms` channels.

    Raises:
        ValueError: the kind is none of these.
    """
    if kind == "identity":
        return nn.Identity()
    channels, height, width = image_shape
    resize = nn.Upsample(size=(height + 2, width + 2), mode="bicubic", align_corners=False)
    plans: dict[str, tuple[list[int], tuple[int, int], int | None]] = {
        "transposed": ([300, 100, channels], (patch_size, stride), None),
        "small": ([30, 10, channels], (patch_size, stride), None),
        "deep": ([300, 100, 30, 10, channels], (patch_size, stride), 3),
        "resize": ([300, 100, channels], (3, 1), 1),
    }
    if kind not in plans:
        raise ValueError(f"`decoder` must be one of {', '.join([*plans, 'identity'])}, found {kind!r}.")
    widths, first, resize_after = plans[kind]
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(zip([n_atoms, *widths], widths, strict=False)):
        if number == resize_after:
            layers.append(resize)
        size, step = first if number == 0 else (3, 1)
        layers += [nn.ConvTranspose2d(inputs, outputs, size, step), nn.ReLU()]
    return nn.Sequential(*layers, CenterCrop(height, width), nn.Hardtanh(0.0, 1.0))
