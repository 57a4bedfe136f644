"""Any tree of class folders."""

from collections.abc import Sequence
from functools import cached_property

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from sparsefront.common.home import at_home
from sparsefront.data.base import ImageData
from sparsefront.data.files.class_folders import list_parts
from sparsefront.data.files.class_list import ClassList
from sparsefront.data.files.crop import CenterCrop, WholePicture
from sparsefront.data.files.decoding import check_header
from sparsefront.data.files.equal_files import equal_to
from sparsefront.data.files.file_images import FileImages
from sparsefront.data.files.folder_name import folder_name
from sparsefront.data.files.picture_error import PictureError, shown
from sparsefront.data.loading.augment import Augmentation
from sparsefront.data.settings.file_reading import FileReading
from sparsefront.data.splits.parts import PartName
from sparsefront.data.splits.sizes import served_shape
from sparsefront.data.splits.sources import ImageSource

ORDER: tuple[PartName, ...] = ("test", "val", "train")
"""Of parts that share a picture the first keeps it."""

_READING = FileReading()


class ImageFolder(ImageData):
    """Pictures in class folders: ImageNet and its subsets, JPEG CIFAR, faces.

    Where `root` has a train/ folder, its train/, val/ and test/ folders are these parts, and a missing one is cut from
    train/; otherwise `root` holds the class folders itself and all three parts are cut from it. Classes are the sorted
    folder names, or `reading.classes`. A picture's `index` is its place in the listing of the folder its part comes
    from, which is torchvision's without hidden files and folders and with each real file once, whatever links lead to
    it.

    Each picture is in one part and one class. A file that links put in two is refused. Files of equal bytes in two
    parts are left out of the training part first, then of validation, with a warning. Pictures are served upright, as
    their EXIF orientation says. Evaluation resizes the shorter side to `image_size` (bicubic, antialiased) and takes
    the middle square.

    Args:
        root: the tree.
        batch_size: images a batch on each process.
        image_size: side of the square images in pixels; None where all pictures already have one size.
        val_size: validation images where there is no val/: an integer counts them, a float is a fraction of the
            training folder's.
        test_size: test images where there is no test/, likewise; 1.0 with val_size 0 evaluates a whole flat tree.
        seed: fixes the parts, the order and the augmentation.
        augment: what training batches go through: none, crop (4 zero pixels around), crop_flip, or resized_crop_flip,
            which crops the whole picture, or, in memory, the middle square.
        reading: how files and the names of their folders are read, see `FileReading`.

    Raises:
        ValueError: batch_size < 1, image_size < 1, seed < 0, a size that is no count or fraction, a folder that is
            missing or has no pictures, parts whose classes differ or that are called otherwise, a file in two classes
            or parts, a folder that is none of `reading.classes`.
    """

    def __init__(
        self,
        root: str = "data",
        batch_size: int = 64,
        image_size: int | None = None,
        val_size: int | float = 0.1,
        test_size: int | float = 0.1,
        seed: int = 0,
        augment: Augmentation = "none",
        reading: FileReading = _READING,
    ) -> None:
        self.root = at_home(root)
        self.folders = list_parts(self.root)
        train = self.folders["train"]
        names = train.names
        if reading.classes is not None:
            names = self._call(ClassList(reading.classes))
        stored = (1, 1) if image_size is not None else _first_size(train.paths)
        super().__init__(
            image_shape=served_shape((reading.channels, *stored), image_size),
            class_names=names,
            own_parts=tuple(self.folders),
            batch_size=batch_size,
            val_size=val_size,
            test_size=test_size,
            seed=seed,
            num_workers=0 if reading.in_memory else reading.num_workers,
            augment=augment,
        )
        self.image_size = image_size
        self.in_memory = reading.in_memory
        self.decoders = reading.num_workers
        self.check_files = reading.check_files

    @property
    def display_name(self) -> str:
        """The name of the folder."""
        return folder_name(self.root)

    def _call(self, classes: ClassList) -> list[str]:
        """Number the folders' classes as a network does; gives the names of all its classes."""
        names = list(classes.names)
        folders = self.folders["train"].names
        numbers = classes.numbers(folders, self.root)
        for folder, number in zip(folders, numbers, strict=True):
            names[number] = folder
        self.folders = {
            part: listing._replace(labels=[numbers[label] for label in listing.labels])
            for part, listing in self.folders.items()
        }
        return names

    def check_before_fit(self) -> None:
        """See the base class: the listing says which classes training has."""
        labels = torch.tensor(self.folders["train"].labels)
        self._refuse_one_class(labels[self.cut(self._files("train"))["train"]])

    def source(self, part: PartName) -> ImageSource:
        """The pictures of a folder, in the order of its listing.

        Raises:
            ValueError: files that are no whole pictures, or not of one size where `image_size` is None.
        """
        source = self._files(part)
        if self.check_files:
            source.check_files(self.decoders)
        return source.in_memory(self.decoders) if self.in_memory else source

    def keep(self, part: PartName, positions: Tensor) -> Tensor:
        """Leave out of training what is also in validation or test, and of validation what is also in test.

        Raises:
            ValueError: nothing would be left.
        """
        earlier = ORDER[: ORDER.index(part)]
        if not earlier or not self.check_files:
            return positions
        listing = self.folders[part if part in self.folders else "train"].paths
        paths = [listing[number] for number in positions.tolist()]
        equals = equal_to(paths, [path for name in earlier for path in self._part_paths[name]], self.decoders)
        if not equals:
            return positions
        first, other = next(iter(equals.items()))
        pair = f"the first is {shown(paths[first])}, equal to {shown(other)}"
        if len(equals) == len(paths):
            raise ValueError(
                f"`root` must hold pictures for the part '{part}' that are in no other, found all {len(paths)} in"
                f" {' or '.join(earlier)} too, {pair}; remove these copies."
            )
        rank_zero_warn(
            f"{len(equals)} of {len(paths)} pictures are left out of the part '{part}', because files of the same "
            f"bytes are in {' or '.join(earlier)}: {pair}."
        )
        kept = torch.ones(len(positions), dtype=torch.bool)
        kept[list(equals)] = False
        return positions[kept]

    @cached_property
    def _part_paths(self) -> dict[PartName, list[str]]:
        """The files of each part, those that are left out later too."""
        cut = self.cut(self._files("train"))
        listing = self.folders["train"].paths
        paths = {name: [listing[number] for number in positions.tolist()] for name, positions in cut.items()}
        return {name: folder.paths for name, folder in self.folders.items()} | paths

    def _files(self, part: PartName) -> FileImages:
        folder = self.folders[part]
        crop = WholePicture() if self.image_size is None else CenterCrop(self.image_size)
        return FileImages(folder.paths, torch.tensor(folder.labels), self.image_shape, crop)


def _first_size(paths: Sequence[str]) -> tuple[int, int]:
    """(H, W) of the first picture that can be read; the others are said later, all together."""
    refusal = None
    for path in paths:
        try:
            return check_header(path)
        except PictureError as error:
            refusal = refusal or error
    raise refusal or ValueError("no files")
