"""Labelled images for training and evaluation: float pixels in [0, 1], fixed splits, a number for every sample."""

from sparsefront.data.base import ImageData
from sparsefront.data.batch import Batch
from sparsefront.data.cifar10 import CIFAR10
from sparsefront.data.faces.face_identification import FaceIdentification
from sparsefront.data.fashion_mnist import FashionMNIST
from sparsefront.data.image_folder import ImageFolder
from sparsefront.data.mnist import MNIST
from sparsefront.data.mnist5k import MNIST5k
from sparsefront.data.named_batch import NamedBatch

__all__ = [
    "CIFAR10",
    "MNIST",
    "Batch",
    "FaceIdentification",
    "FashionMNIST",
    "ImageData",
    "ImageFolder",
    "MNIST5k",
    "NamedBatch",
]
