"""How data are read is one group of settings in every data module."""

import inspect

import pytest

from sparsefront.data import CIFAR10, MNIST, FaceIdentification, FashionMNIST, ImageFolder, MNIST5k
from sparsefront.data.settings import ArrayReading, DownloadReading, FaceReading, FileReading

READINGS = (ArrayReading, DownloadReading, FaceReading, FileReading)


@pytest.mark.parametrize("kind", [CIFAR10, FaceIdentification, FashionMNIST, ImageFolder, MNIST, MNIST5k])
def test_every_data_module_has_the_same_settings_beside_its_own(kind):
    settings = inspect.signature(kind).parameters
    assert {"batch_size", "image_size", "val_size", "seed", "augment", "reading"} <= set(settings)
    assert isinstance(settings["reading"].default, READINGS)


@pytest.mark.parametrize("kind", READINGS)
def test_the_processes_of_every_reading_are_counted(kind):
    assert kind().num_workers == 0
    with pytest.raises(ValueError, match=r"^`num_workers` must be >= 0, found -1; 0 (loads|decodes) in the main"):
        kind(num_workers=-1)
    with pytest.raises(ValueError, match=r"^`num_workers` must be an integer, found 'two'"):
        kind(num_workers="two")


def test_a_file_is_read_as_gray_or_in_colour():
    with pytest.raises(ValueError, match=r"^`channels` must be .*, found 2"):
        FileReading(channels=2)
