"""Training augmentations of whole batches."""

from typing import Literal

from torch import Tensor, nn

from sparsefront.common.random import seeded

Augmentation = Literal["none", "crop", "crop_flip", "resized_crop_flip"]
PADDING = 4


class Augment(nn.Module):
    """Draw a crop and a flip for every image of a batch.

    - `none`: the images as they are.
    - `crop`: a random crop out of the image with 4 zero pixels around it.
    - `crop_flip`: that and a horizontal flip half of the time, as paper 001's code trains on CIFAR-10 (He et al. 2015,
      arXiv:1512.03385, section 4.2).
    - `resized_crop_flip`: a random 8 to 100 % of the area at a random aspect ratio in [3/4, 4/3], resized bilinearly,
      and a flip (Szegedy et al. 2015, arXiv:1409.4842, section 6).

    Args:
        kind: which of these.
        size: (H, W) of the images in pixels.
    """

    def __init__(self, kind: Augmentation, size: tuple[int, int]) -> None:
        super().__init__()
        self.steps = nn.Sequential(*_steps(kind, size))

    def forward(self, images: Tensor, *seeds: int) -> Tensor:
        """Augment a batch; the same seeds give the same draws.

        Args:
            images: (B, C, H, W) pixels in [0, 1].
            *seeds: integers >= 0 that the draws depend on.

        Returns:
            (B, C, H, W) pixels in [0, 1].
        """
        with seeded(*seeds):
            augmented: Tensor = self.steps(images)
        return augmented.clamp(0, 1)


def _steps(kind: Augmentation, size: tuple[int, int]) -> list[nn.Module]:
    if kind == "none":
        return []
    import kornia.augmentation as kornia  # takes a second, which who draws nothing need not wait

    if kind == "resized_crop_flip":
        crop: nn.Module = kornia.RandomResizedCrop(size, cropping_mode="resample")
    else:  # "slice" copies the pixels; kornia's default resamples them and rounds
        crop = kornia.RandomCrop(size, padding=PADDING, cropping_mode="slice")
    return [crop] if kind == "crop" else [crop, kornia.RandomHorizontalFlip()]
