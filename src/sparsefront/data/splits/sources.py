"""Where pixels come from."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from sparsefront.data.loading.progress import progress


class ImageSource(ABC):
    """A numbered set of labelled images.

    Args:
        labels: (N,) int64 classes.
    """

    def __init__(self, labels: Tensor) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def pixels(self, numbers: Tensor) -> Tensor:
        """Read images.

        Args:
            numbers: (B,) int64 positions in the set.

        Returns:
            (B, C, H, W) uint8 pixels.
        """

    def set_epoch(self, epoch: int) -> None:  # noqa: B027  most sources draw nothing at random
        """Choose the epoch that random draws depend on.

        Args:
            epoch: number of the epoch, from 0.
        """


class ArrayImages(ImageSource):
    """Images held as one array, resized when they are asked for.

    Args:
        images: (N, C, H, W) uint8 pixels.
        labels: (N,) int64 classes.
        size: (H, W) to serve; bicubic with antialiasing where it is not the stored size.

    Raises:
        ValueError: not one label an image.
    """

    def __init__(self, images: Tensor, labels: Tensor, size: tuple[int, int]) -> None:
        super().__init__(labels)
        if len(images) != len(labels):
            raise ValueError(
                f"`labels` must hold one label an image, found {len(labels)} labels and {len(images)} images;"
                " the label file and the image file do not belong together, replace them."
            )
        self.images = images
        self.size = size

    def pixels(self, numbers: Tensor) -> Tensor:
        """Read images, see the base class."""
        images = self.images[numbers]
        if tuple(images.shape[-2:]) == self.size:
            return images
        resized: Tensor = resize(images, list(self.size), interpolation=InterpolationMode.BICUBIC, antialias=True)
        return resized

    def resized(self, chunk: int = 1024) -> "ArrayImages":
        """The same images, all resized now.

        Args:
            chunk: images resized at a time; bounds the memory that resizing needs.

        Returns:
            A source that serves the same pixels and holds N * C * H * W bytes.
        """
        if tuple(self.images.shape[-2:]) == self.size:
            return self
        resized = torch.empty(len(self), self.images.shape[1], *self.size, dtype=torch.uint8)
        chunks = torch.arange(len(self)).split(chunk)
        for numbers in progress(chunks, "resizing images", len(chunks)):
            resized[numbers] = self.pixels(numbers)
        return ArrayImages(resized, self.labels, self.size)
