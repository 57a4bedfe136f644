"""The CIFAR-10 photographs."""

from typing import ClassVar

from torchvision import datasets

from sparsefront.data.loading.augment import Augmentation
from sparsefront.data.settings.download_reading import DownloadReading
from sparsefront.data.torchvision_data import TorchvisionData

_READING = DownloadReading()


class CIFAR10(TorchvisionData):
    """CIFAR-10: 50,000 training and 10,000 test images, 3x32x32 (Krizhevsky 2009), in `root`/cifar-10-batches-py.

    Args:
        root: folder that holds cifar-10-batches-py.
        batch_size: images a batch on each process.
        image_size: side of the images in pixels; they are resized (bicubic) where it is not the 32 stored.
        val_size: validation images: an integer counts them, a float is a fraction of the official training set.
        seed: fixes the parts, the order and the augmentation.
        augment: what training batches go through: none, crop (4 zero pixels around), crop_flip (as paper 001),
            resized_crop_flip.
        reading: whether it is held in memory, loaded by how many processes, and downloaded, see `DownloadReading`.
    """

    dataset = datasets.CIFAR10
    files: ClassVar = tuple(
        f"cifar-10-batches-py/{name}"
        for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"]
    )
    stored_shape = (3, 32, 32)
    classes: ClassVar = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

    def __init__(
        self,
        root: str = "data",
        batch_size: int = 128,
        image_size: int | None = None,
        val_size: int | float = 5000,
        seed: int = 0,
        augment: Augmentation = "crop_flip",
        reading: DownloadReading = _READING,
    ) -> None:
        super().__init__(root, batch_size, image_size, val_size, seed, augment, reading)
