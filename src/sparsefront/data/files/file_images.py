"""Pictures in files."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from sparsefront.data.files.crop import Crop, RandomCrop, WholePicture
from sparsefront.data.files.decoding import check_header, decode
from sparsefront.data.files.picture_error import PictureError, shown
from sparsefront.data.files.picture_problem import PictureProblem, refuse
from sparsefront.data.loading.chunks import in_chunks
from sparsefront.data.splits.sources import ArrayImages, ImageSource


class FileImages(ImageSource):
    """Pictures decoded from their files each time they are asked for.

    Args:
        paths: N files.
        labels: (N,) int64 classes.
        shape: (C, H, W) to serve.
        crop: brings a decoded picture to (H, W).
    """

    def __init__(self, paths: Sequence[str], labels: Tensor, shape: tuple[int, int, int], crop: Crop) -> None:
        super().__init__(labels)
        self.paths = paths
        self.shape = shape
        self.crop = crop

    def pixels(self, numbers: Tensor) -> Tensor:
        """Read images, see the base class.

        Raises:
            PictureError: a file that is not a whole picture, or not of the size served.
        """
        return torch.stack([self._one(number) for number in numbers.tolist()])

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, see the base class."""
        self.crop.set_epoch(epoch)

    def at_random(self, seed: int) -> "FileImages":
        """The same files under random crops and flips.

        Args:
            seed: fixes them, together with the epoch and the picture's number.

        Returns:
            A source for training.
        """
        return FileImages(self.paths, self.labels, self.shape, RandomCrop(self.shape[1:], seed))

    def in_memory(self, num_workers: int = 0) -> ArrayImages:
        """Decode every file now.

        Args:
            num_workers: processes that decode.

        Returns:
            A source that serves the same pixels and holds N * C * H * W bytes.

        Raises:
            PictureError: see `check_files`; files are decoded here, which finds all damage.
        """
        images = torch.empty(len(self), *self.shape, dtype=torch.uint8)
        problems: list[PictureProblem] = []
        for numbers, (pixels, more) in in_chunks(self._decoded, len(self), num_workers, "decoding images"):
            problems += more
            if not problems:
                images[numbers] = pixels
        refuse(problems, len(self))
        return ArrayImages(images, self.labels, self.shape[1:])

    def check_files(self, num_workers: int = 0) -> None:
        """Check the header of every file, see `check_header`.

        Args:
            num_workers: processes that check.

        Raises:
            PictureError: files that are no whole pictures or not of the size served; says of the first what is wrong,
                and how many and which there are.
        """
        checks = in_chunks(self._problems, len(self), num_workers, "checking files")
        refuse([problem for _, found in checks for problem in found], len(self))

    def _problems(self, numbers: Tensor) -> list[PictureProblem]:
        problems = []
        for number in numbers.tolist():
            try:
                size = check_header(self.paths[number])
                self._check_least(self.paths[number], size)
                if isinstance(self.crop, WholePicture):
                    self._check_size(self.paths[number], size)
            except PictureError as error:
                problems.append(PictureProblem(self.paths[number], str(error)))
        return problems

    def _decoded(self, numbers: Tensor) -> tuple[Tensor, list[PictureProblem]]:
        """Pixels, zeros where something is wrong, and what is."""
        pixels, problems = torch.zeros(len(numbers), *self.shape, dtype=torch.uint8), []
        for place, number in enumerate(numbers.tolist()):
            try:
                pixels[place] = self._one(number)
            except PictureError as error:
                problems.append(PictureProblem(self.paths[number], str(error)))
        return pixels, problems

    def _one(self, number: int) -> Tensor:
        channels: Literal[1, 3] = 1 if self.shape[0] == 1 else 3
        decoded = decode(self.paths[number], channels)
        self._check_least(self.paths[number], (decoded.height, decoded.width))
        image = self.crop(decoded, number)
        self._check_size(self.paths[number], (image.height, image.width))
        pixels: Tensor = pil_to_tensor(image)
        return pixels

    def _check_least(self, path: str, size: tuple[int, int]) -> None:
        if min(size) < self.crop.least:
            raise PictureError(
                f"`crop` must be at most the smaller side of every picture, found {self.crop.least} and {shown(path)}"
                f" of {size[0]}x{size[1]} pixels; lower it, or write null for the whole middle square."
            )

    def _check_size(self, path: str, size: tuple[int, int]) -> None:
        if size != self.shape[1:]:
            raise PictureError(
                f"`image_size` must be given where pictures differ in size, found {size[0]}x{size[1]} in {shown(path)}"
                f" but {self.shape[1]}x{self.shape[2]} (height x width) in the first picture; write e.g."
                " image_size: 64."
            )
