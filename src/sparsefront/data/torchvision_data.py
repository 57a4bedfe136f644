"""Data sets that torchvision downloads and reads."""

import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torchvision.datasets import VisionDataset

from sparsefront.common.home import at_home
from sparsefront.data.base import ImageData
from sparsefront.data.loading.augment import Augmentation
from sparsefront.data.settings.download_reading import DownloadReading
from sparsefront.data.splits.parts import PartName
from sparsefront.data.splits.sizes import served_shape
from sparsefront.data.splits.sources import ArrayImages, ImageSource

FAILURES = (RuntimeError, OSError, EOFError, ValueError, AssertionError, KeyError)  # what torchvision's readers raise

_READING = DownloadReading()


class TorchvisionData(ImageData):
    """A set with official training and test images that torchvision downloads and reads.

    The test part is the official test set; validation images are cut from the official training set by the seed.
    A subclass names torchvision's class, the files it reads below `root`, the stored (C, H, W) and the classes.

    Args:
        root: folder that holds the set's own folder, as torchvision lays it out.
        batch_size: images a batch on each process.
        image_size: side of the images in pixels; they are resized (bicubic) where it is not the stored one.
        val_size: validation images: an integer counts them, a float is a fraction of the official training set.
        seed: fixes the parts, the order and the augmentation.
        augment: what training batches go through: none, crop (4 zero pixels around), crop_flip, resized_crop_flip.
        reading: whether it is held in memory, loaded by how many processes, and downloaded, see `DownloadReading`.

    Raises:
        ValueError: batch_size < 1, image_size < 1, seed < 0, a val_size that is no count or fraction.
    """

    dataset: ClassVar[type[VisionDataset]]
    files: ClassVar[tuple[str, ...]]
    stored_shape: ClassVar[tuple[int, int, int]]
    classes: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        root: str = "data",
        batch_size: int = 128,
        image_size: int | None = None,
        val_size: int | float = 5000,
        seed: int = 0,
        augment: Augmentation = "none",
        reading: DownloadReading = _READING,
    ) -> None:
        super().__init__(
            image_shape=served_shape(self.stored_shape, image_size),
            class_names=self.classes,
            own_parts=("train", "test"),
            batch_size=batch_size,
            val_size=val_size,
            test_size=0,
            seed=seed,
            num_workers=reading.num_workers,
            augment=augment,
        )
        self.root = at_home(root)
        self.in_memory = reading.in_memory
        self.download = reading.download

    def prepare_data(self) -> None:
        """Download what is missing, on one process, where `download` is set.

        Raises:
            ValueError: the download failed, or files are damaged.
        """
        if self.download:
            self._read(train=False, download=True)

    def source(self, part: PartName) -> ImageSource:
        """The official training or test images, in their own order.

        Raises:
            ValueError: files are missing or damaged.
        """
        stored = self._read(train=part == "train", download=False)
        images = torch.as_tensor(stored.data)
        images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
        source = ArrayImages(images, torch.as_tensor(stored.targets), self.image_shape[1:])
        return source.resized() if self.in_memory else source

    def _read(self, train: bool, download: bool) -> VisionDataset:
        try:
            with warnings.catch_warnings():
                # numpy 2.4.0 to 2.4.4 warn about the old pickles of CIFAR-10
                warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
                return self.dataset(self.root, train=train, download=download)
        except FAILURES as error:
            raise self._failure(error, download) from error

    def _failure(self, error: Exception, download: bool) -> ValueError:
        name, folder, reason = type(self).__name__, Path(self.root).resolve(), " ".join(str(error).split())
        missing = [file for file in self.files if not (folder / file).is_file()]
        if not missing:
            return ValueError(
                f"`root` must hold undamaged {name} files, found some in '{folder}' that cannot be read ({reason});"
                " delete the set's folder there to download it again, or replace its files by hand."
            )
        tried = f" and the download failed ({reason})" if download else ""
        return ValueError(
            f"`root` must hold {name}, found no {', '.join(missing)} in '{folder}'{tried}; put the unpacked files there"
            " by hand, set --data.init_args.root to the folder that has them"
            f"{', or allow --data.init_args.reading.download true' if not download else ''}."
        )
