"""Real patches, images and dictionaries to code with."""

from functools import cache
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torchvision.datasets import CIFAR10
from torchvision.datasets.folder import IMG_EXTENSIONS, has_file_allowed_extension
from torchvision.io import ImageReadMode, read_image

from sparsecode import OnlineDictionary, lasso, sample_patches


class Inputs:
    """Images of a folder tree, or torchvision's CIFAR-10 where none is named.

    Args:
        folder: any tree of pictures of one size; "" downloads CIFAR-10 into `root`.
        root: of the download.
        large: a tree of pictures of at least 224x224 pixels; "" leaves the large images out.
    """

    def __init__(self, folder: str, root: str, large: str) -> None:
        self.folder, self.root, self.large = folder, root, large

    @cache  # noqa: B019 one object lives as long as the process
    def images(self, number: int = 400) -> Tensor:
        """(N, 3, 32, 32) in [0, 1]."""
        if self.folder:
            return _read(Path(self.folder), number)
        stored = torch.as_tensor(CIFAR10(self.root, download=True).data[:number])
        return stored.permute(0, 3, 1, 2).float() / 255

    @cache  # noqa: B019
    def large_images(self, number: int = 2) -> Tensor:
        """(N, 3, 224, 224) in [0, 1], the middle of large pictures; none without a folder of them."""
        if not self.large:
            return torch.zeros(0, 3, 224, 224)
        pictures = (_read(file, 1)[0] for file in _files(Path(self.large)))
        wide = (picture for picture in pictures if min(picture.shape[1:]) >= 224)
        return torch.stack([_middle(picture) for picture in islice(wide, number)])

    @cache  # noqa: B019
    def patches(self, channels: int, number: int = 20_000) -> Tensor:
        """(N, channels 8 8) overlapping patches at stride 1, each of mean 0, empty ones left out; 1 channel is gray."""
        images = self.images() if channels == 3 else self.images().mean(dim=1, keepdim=True)
        cut = sample_patches(images, 8, 1, number, torch.Generator().manual_seed(0))
        cut = cut - cut.mean(dim=1, keepdim=True)
        return cut[cut.norm(dim=1) > 0.1].contiguous()

    @cache  # noqa: B019
    def dictionary(self, channels: int, n_atoms: int) -> Tensor:
        """(channels 8 8, K), learned online from patches of unit norm with lambda 0.1."""
        signals = normalize(self.patches(channels), dim=1)
        learner = OnlineDictionary(signals[:n_atoms].T, lambda batch, atoms: lasso(batch, atoms, 0.1))
        for batch in signals[n_atoms:].split(512)[:30]:
            learner.step(batch)
        return learner.dictionary


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if has_file_allowed_extension(file.name, IMG_EXTENSIONS))


def _read(path: Path, number: int) -> Tensor:
    return torch.stack([read_image(str(file), ImageReadMode.RGB) for file in _files(path)[:number]]).float() / 255


def _middle(picture: Tensor) -> Tensor:
    top, left = ((side - 224) // 2 for side in picture.shape[1:])
    return picture[:, top : top + 224, left : left + 224]
