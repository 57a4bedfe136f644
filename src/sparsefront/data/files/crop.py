"""How a decoded picture is brought to the size that is served."""

from abc import ABC, abstractmethod

from PIL import Image
from torchvision.transforms.v2 import InterpolationMode, RandomHorizontalFlip, RandomResizedCrop
from torchvision.transforms.v2.functional import center_crop, resize

from sparsefront.common.random import seeded


class Crop(ABC):
    """Maps picture number `number` to one size.

    Attributes:
        least: smallest side in pixels that a picture may have.
    """

    least: int = 1

    @abstractmethod
    def __call__(self, image: Image.Image, number: int) -> Image.Image:
        """Bring a picture to size.

        Args:
            image: the decoded picture.
            number: its position in the set.

        Returns:
            The picture at the size served.
        """

    def set_epoch(self, epoch: int) -> None:  # noqa: B027  most crops draw nothing at random
        """Choose the epoch that random draws depend on.

        Args:
            epoch: number of the epoch, from 0.
        """


class WholePicture(Crop):
    """The picture as it is."""

    def __call__(self, image: Image.Image, number: int) -> Image.Image:
        """Return the picture unchanged."""
        return image


class CenterCrop(Crop):
    """Shorter side resized (bicubic, antialiased), then the middle square.

    Args:
        size: side of the square in pixels.
        crop: side in pixels of a middle square that is cut out of the picture before; None takes the whole picture.
    """

    def __init__(self, size: int, crop: int | None = None) -> None:
        self.size = size
        self.crop = crop
        self.least = crop or 1

    def __call__(self, image: Image.Image, number: int) -> Image.Image:
        """Return the middle square."""
        if self.crop is not None:
            image = center_crop(image, [self.crop])
        shorter = resize(image, [self.size], interpolation=InterpolationMode.BICUBIC, antialias=True)
        square: Image.Image = center_crop(shorter, [self.size])
        return square


class RandomCrop(Crop):
    """A random crop of 8 to 100 % of the area, resized, and a flip half of the time (arXiv:1409.4842, section 6).

    Args:
        size: (H, W) to serve.
        seed: the draws depend on (seed, epoch, number) alone.
    """

    def __init__(self, size: tuple[int, int], seed: int) -> None:
        self.seed = seed
        self.epoch = 0
        self.crop = RandomResizedCrop(size, interpolation=InterpolationMode.BICUBIC, antialias=True)
        self.flip = RandomHorizontalFlip()

    def __call__(self, image: Image.Image, number: int) -> Image.Image:
        """Return a random part."""
        with seeded(self.seed, self.epoch, number):
            cropped: Image.Image = self.flip(self.crop(image))
        return cropped

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, see the base class."""
        self.epoch = epoch
