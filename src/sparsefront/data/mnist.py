"""The MNIST digits."""

from typing import ClassVar

from torchvision import datasets

from sparsefront.data.torchvision_data import TorchvisionData


class MNIST(TorchvisionData):
    """MNIST: 60,000 training and 10,000 test digits, 1x28x28 (LeCun et al. 1998), in `root`/MNIST/raw."""

    dataset = datasets.MNIST
    files: ClassVar = tuple(
        f"MNIST/raw/{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
    )
    stored_shape = (1, 28, 28)
    classes: ClassVar = tuple(str(digit) for digit in range(10))
