import gzip
import hashlib
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from sparsefront.data import CIFAR10, MNIST, FashionMNIST
from sparsefront.data.settings import DownloadReading


@pytest.mark.parametrize(("kind", "name"), [(MNIST, "MNIST"), (FashionMNIST, "FashionMNIST")])
def test_idx_images_keep_their_official_numbers_and_values(kind, name, idx_set, everything):
    root, arrays = idx_set(name)
    data = kind(root, val_size=10, reading=DownloadReading(download=False))
    data.setup()
    assert data.image_shape == (1, 28, 28)
    loaders = {"train": [data.train_dataloader(), data.val_dataloader()], "t10k": [data.test_dataloader()]}
    for part, (stored, classes) in arrays.items():
        images, labels, index = everything([batch for loader in loaders[part] for batch in loader])
        assert sorted(index.tolist()) == list(range(len(stored)))
        np.testing.assert_allclose(images[:, 0].numpy(), stored[index.numpy()] / 255, atol=1e-7)
        assert labels.tolist() == classes[index.numpy()].tolist()
    assert everything(data.test_dataloader())[2].tolist() == list(range(21))
    assert len(data.val_dataloader().dataset) == 10


def test_cifar_images_keep_their_official_numbers_and_values(cifar_set, everything):
    root, arrays = cifar_set
    data = CIFAR10(root, val_size=0.2, reading=DownloadReading(download=False))
    data.setup()
    assert data.image_shape == (3, 32, 32)
    images, labels, index = everything(data.test_dataloader())
    assert index.tolist() == list(range(20))
    np.testing.assert_allclose(images.numpy(), arrays["test"][0] / 255, atol=1e-7)
    assert labels.tolist() == arrays["test"][1].tolist()
    images, _, index = everything([*data.train_dataloader(), *data.val_dataloader()])
    np.testing.assert_allclose(images.numpy(), arrays["train"][0][index.numpy()] / 255, atol=1e-7)
    assert torch.bincount(everything(data.val_dataloader())[1]).tolist() == [1] * 10


def test_resizing_agrees_with_pillow_and_does_not_depend_on_in_memory(idx_set, everything):
    root, arrays = idx_set()
    loaded = []
    for in_memory in (True, False):
        data = MNIST(
            root, image_size=32, reading=DownloadReading(in_memory=in_memory, download=False), val_size=0, batch_size=8
        )
        data.setup("test")
        loaded.append(everything(data.test_dataloader())[0])
    assert torch.equal(*loaded)
    for image, stored in zip(loaded[0], arrays["t10k"][0], strict=True):
        reference = np.asarray(Image.fromarray(stored).resize((32, 32), Image.Resampling.BICUBIC)) / 255
        assert np.abs(image[0].numpy() - reference).max() < 2.01 / 255  # Pillow rounds after each of the two directions


def test_shape_and_classes_are_known_without_data(tmp_path):
    names = "airplane automobile bird cat deer dog frog horse ship truck"
    assert " ".join(CIFAR10(str(tmp_path)).class_names) == names
    assert FashionMNIST(str(tmp_path)).class_names[9] == "Ankle boot"
    assert CIFAR10(str(tmp_path), image_size=64).image_shape == (3, 64, 64)
    assert list(tmp_path.iterdir()) == []


def test_missing_files_are_named_with_the_mend(idx_set):
    root, _ = idx_set()
    Path(root, "MNIST/raw/t10k-labels-idx1-ubyte").unlink()
    data = MNIST(root, reading=DownloadReading(download=False))
    data.prepare_data()
    with pytest.raises(ValueError, match=r"found no MNIST/raw/t10k-labels-idx1-ubyte in .*--data.init_args.root"):
        data.setup("fit")


def test_a_wrong_root_is_named_and_nothing_is_written(tmp_path):
    data = CIFAR10(str(tmp_path / "nowhere"), reading=DownloadReading(download=False))
    with pytest.raises(ValueError, match=r"found no cifar-10-batches-py/data_batch_1, .*nowhere"):
        data.setup("fit")
    assert list(tmp_path.iterdir()) == []


def test_damaged_files_are_told_from_missing_ones(idx_set):
    root, _ = idx_set()
    path = Path(root, "MNIST/raw/train-images-idx3-ubyte")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="`root` must hold undamaged MNIST files"):
        MNIST(root, reading=DownloadReading(download=False)).setup("fit")


def test_labels_of_another_set_are_refused(idx_set):
    root, _ = idx_set()
    raw = Path(root, "MNIST/raw")
    shutil.copy(raw / "t10k-labels-idx1-ubyte", raw / "train-labels-idx1-ubyte")
    with pytest.raises(ValueError, match="found 21 labels and 40 images"):
        MNIST(root, val_size=5, reading=DownloadReading(download=False)).setup("fit")


def test_a_failed_download_says_what_where_and_the_mend(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{(tmp_path / 'no_mirror').as_uri()}/"])
    with pytest.raises(
        ValueError, match=r"`root` must hold MNIST, .*download failed .*put the unpacked files there by"
    ):
        MNIST(str(tmp_path / "data")).prepare_data()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(tmp_path):
    """A folder and the address at which it is served."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_download_puts_the_files_into_root(tmp_path, idx_set, mirror, monkeypatch):
    root, arrays = idx_set()
    folder, address = mirror
    resources = []
    for file in sorted(Path(root, "MNIST/raw").iterdir()):
        packed = gzip.compress(file.read_bytes())
        (folder / f"{file.name}.gz").write_bytes(packed)
        resources.append((f"{file.name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(datasets.MNIST, "mirrors", [address])
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    data = MNIST(str(tmp_path / "data"), val_size=5)
    data.prepare_data()
    data.setup("test")
    assert data.test_dataloader().dataset.source.labels.tolist() == arrays["t10k"][1].tolist()
