"""Pictures in files."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from sparsefront.data.chunks import in_chunks
from sparsefront.data.decoding import check_header, decode
from sparsefront.data.sources import ArrayImages, ImageSource
from sparsefront.data.views import RandomView, View, WholeView


class FileImages(ImageSource):
    """Pictures decoded from their files each time they are asked for.

    Args:
        paths: N files.
        labels: (N,) int64 classes.
        shape: (C, H, W) to serve.
        view: brings a decoded picture to (H, W).
    """

    def __init__(self, paths: Sequence[str], labels: Tensor, shape: tuple[int, int, int], view: View) -> None:
        super().__init__(labels)
        self.paths = paths
        self.shape = shape
        self.view = view

    def pixels(self, numbers: Tensor) -> Tensor:
        """Read images, see the base class.

        Raises:
            ValueError: a file that is not a whole picture, or not of the size served.
        """
        return torch.stack([self._one(number) for number in numbers.tolist()])

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, see the base class."""
        self.view.set_epoch(epoch)

    def at_random(self, seed: int) -> "FileImages":
        """The same files under random crops and flips.

        Args:
            seed: fixes them, together with the epoch and the picture's number.

        Returns:
            A source for training.
        """
        return FileImages(self.paths, self.labels, self.shape, RandomView(self.shape[1:], seed))

    def in_memory(self, num_workers: int = 0) -> ArrayImages:
        """Decode every file now.

        Args:
            num_workers: processes that decode.

        Returns:
            A source that serves the same pixels and holds N * C * H * W bytes.

        Raises:
            ValueError: see `pixels`.
        """
        images = torch.empty(len(self), *self.shape, dtype=torch.uint8)
        for numbers, pixels in in_chunks(self._pixels_or_problem, len(self), num_workers, "decoding images"):
            if isinstance(pixels, str):
                raise ValueError(pixels)
            images[numbers] = pixels
        return ArrayImages(images, self.labels, self.shape[1:])

    def check_files(self, num_workers: int = 0) -> None:
        """Check the header of every file, see `check_header`.

        Args:
            num_workers: processes that check.

        Raises:
            ValueError: files that are no whole pictures or not of the size served; says how many and names the first.
        """
        checks = in_chunks(self._problems, len(self), num_workers, "checking files")
        problems = [problem for _, found in checks for problem in found]
        if problems:
            more = f" There are {len(problems)} such files among {len(self)}." if len(problems) > 1 else ""
            raise ValueError(f"{problems[0]}{more}")

    def _problems(self, numbers: Tensor) -> list[str]:
        found = []
        for number in numbers.tolist():
            try:
                size = check_header(self.paths[number])
                self._check_least(self.paths[number], size)
                if isinstance(self.view, WholeView):
                    self._check_size(self.paths[number], size)
            except ValueError as error:
                found.append(str(error))
        return found

    def _pixels_or_problem(self, numbers: Tensor) -> Tensor | str:
        """Pixels, or what is wrong: an error raised in a worker would reach the user buried in its traceback."""
        try:
            return self.pixels(numbers)
        except ValueError as error:
            return str(error)

    def _one(self, number: int) -> Tensor:
        channels: Literal[1, 3] = 1 if self.shape[0] == 1 else 3
        decoded = decode(self.paths[number], channels)
        self._check_least(self.paths[number], (decoded.height, decoded.width))
        image = self.view(decoded, number)
        self._check_size(self.paths[number], (image.height, image.width))
        pixels: Tensor = pil_to_tensor(image)
        return pixels

    def _check_least(self, path: str, size: tuple[int, int]) -> None:
        if min(size) < self.view.least:
            raise ValueError(
                f"`crop` must be at most the smaller side of every picture, found {self.view.least} and '{path}' of"
                f" {size[0]}x{size[1]} pixels; lower it, or write null for the whole middle square."
            )

    def _check_size(self, path: str, size: tuple[int, int]) -> None:
        if size != self.shape[1:]:
            raise ValueError(
                f"`image_size` must be given where pictures differ in size, found {size[0]}x{size[1]} in '{path}' but"
                f" {self.shape[1]}x{self.shape[2]} (height x width) in the first picture; write e.g. image_size: 64."
            )
