"""The Fashion-MNIST articles of clothing."""

from typing import ClassVar

from torchvision import datasets

from sparsefront.data.torchvision_data import TorchvisionData


class FashionMNIST(TorchvisionData):
    """Fashion-MNIST: 60,000 training and 10,000 test images, 1x28x28 (arXiv:1708.07747), in `root`/FashionMNIST/raw."""

    dataset = datasets.FashionMNIST
    files: ClassVar = tuple(
        f"FashionMNIST/raw/{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
    )
    stored_shape = (1, 28, 28)
    classes: ClassVar = tuple(datasets.FashionMNIST.classes)
