"""Any tree of class folders."""

from typing import Literal

import torch

from sparsefront.data.augment import Augmentation
from sparsefront.data.base import ImageData
from sparsefront.data.checks import served_shape
from sparsefront.data.class_folders import list_parts
from sparsefront.data.decoding import check_header
from sparsefront.data.file_images import FileImages
from sparsefront.data.parts import PartName
from sparsefront.data.sources import ImageSource
from sparsefront.data.views import CenterView, WholeView


class ImageFolder(ImageData):
    """Pictures in class folders: ImageNet and its subsets, JPEG CIFAR, faces.

    Where `root` has a train/ folder, its train/, val/ and test/ folders are these parts, and a missing one is cut from
    train/; otherwise `root` holds the class folders itself and all three parts are cut from it. Classes are the sorted
    folder names. A picture's `index` is its place in torchvision's listing of the folder its part comes from.
    Evaluation resizes the shorter side to `image_size` (bicubic, antialiased) and takes the middle square.

    Args:
        root: the tree.
        batch_size: images a batch on each process.
        image_size: side of the square images in pixels; None where all pictures already have one size.
        val_size: validation images where there is no val/: an integer counts them, a float is a fraction of the
            training folder's.
        test_size: test images where there is no test/, likewise; 1.0 with val_size 0 evaluates a whole flat tree.
        seed: fixes the parts, the order and the augmentation.
        in_memory: decode all pictures once and hold N * C * H * W bytes on each process, or decode them as they are
            asked for.
        num_workers: processes that check and decode files; 0 does it in the main process.
        augment: what training batches go through: none, crop (4 zero pixels around), crop_flip, or resized_crop_flip,
            which crops the whole picture, or, in memory, the middle square.
        channels: 3 for RGB, 1 for gray; others are converted.
        check_files: whether to check the header of every file before training.

    Raises:
        ValueError: batch_size < 1, image_size < 1, num_workers < 0, seed < 0, a size that is no count or fraction, a
            folder that is missing or has no pictures, parts whose classes differ.
    """

    def __init__(
        self,
        root: str = "data",
        batch_size: int = 64,
        image_size: int | None = None,
        val_size: int | float = 0.1,
        test_size: int | float = 0.1,
        seed: int = 0,
        in_memory: bool = False,
        num_workers: int = 0,
        augment: Augmentation = "none",
        channels: Literal[1, 3] = 3,
        check_files: bool = True,
    ) -> None:
        self.folders = list_parts(root)
        train = self.folders["train"]
        stored = (1, 1) if image_size is not None else check_header(train.paths[0])
        super().__init__(
            image_shape=served_shape((channels, *stored), image_size),
            class_names=train.names,
            own_parts=tuple(self.folders),
            batch_size=batch_size,
            val_size=val_size,
            test_size=test_size,
            seed=seed,
            num_workers=0 if in_memory else num_workers,
            augment=augment,
        )
        self.image_size = image_size
        self.in_memory = in_memory
        self.decoders = num_workers
        self.check_files = check_files

    def source(self, part: PartName) -> ImageSource:
        """The pictures of a folder, in torchvision's order.

        Raises:
            ValueError: files that are no whole pictures, or not of one size where `image_size` is None.
        """
        folder = self.folders[part]
        view = WholeView() if self.image_size is None else CenterView(self.image_size)
        source = FileImages(folder.paths, torch.tensor(folder.labels), self.image_shape, view)
        if self.check_files:
            source.check_files(self.decoders)
        return source.in_memory(self.decoders) if self.in_memory else source
