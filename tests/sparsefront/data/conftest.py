import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets


def noise(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def make_tree(tmp_path):
    """Write PNG class folders below parts, make_tree({"train": {"cat": 6}}), or flat, {"": ...}; gives the root."""

    def make(parts, size=(8, 8), mode="RGB", root=tmp_path / "tree"):
        seed = 0
        for part, classes in parts.items():
            for name, count in classes.items():
                folder = root / part / name
                folder.mkdir(parents=True)
                for number in range(count):
                    seed += 1
                    channels = {"RGB": (3,), "L": (), "RGBA": (4,)}[mode]
                    Image.fromarray(noise(seed, *size, *channels), mode).save(folder / f"{number:03}.png")
        return str(root)

    return make


def write_idx(path: Path, array: np.ndarray):
    """The IDX format of MNIST: magic number with the number of dimensions, sizes, then unsigned bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = np.array([0x0800 + array.ndim, *array.shape], dtype=">i4").tobytes()
    path.write_bytes(header + array.tobytes())


@pytest.fixture
def idx_set(tmp_path):
    """Write a set of 40 training and 21 test images in MNIST's format; gives the root and the arrays."""

    def make(name="MNIST", train=40, test=21):
        arrays = {}
        for seed, (part, count) in enumerate({"train": train, "t10k": test}.items()):
            images = noise(seed, count, 28, 28)
            labels = np.random.default_rng(seed).permutation(np.arange(count) % 10).astype(np.uint8)
            write_idx(tmp_path / name / "raw" / f"{part}-images-idx3-ubyte", images)
            write_idx(tmp_path / name / "raw" / f"{part}-labels-idx1-ubyte", labels)
            arrays[part] = images, labels
        return str(tmp_path), arrays

    return make


@pytest.fixture
def cifar_set(tmp_path, monkeypatch):
    """Write 50 training and 20 test images as CIFAR-10's pickles; gives the root and (N, 3, 32, 32) arrays."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [[f"data_batch_{n}", None] for n in range(1, 6)])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", None]])
    monkeypatch.setattr(datasets.CIFAR10, "meta", datasets.CIFAR10.meta | {"md5": None})
    arrays = {
        "train": (noise(0, 50, 3, 32, 32), np.arange(50) % 10),
        "test": (noise(1, 20, 3, 32, 32), np.arange(20) % 10),
    }
    for n in range(5):
        chosen = slice(10 * n, 10 * n + 10)
        write_cifar_batch(folder / f"data_batch_{n + 1}", *(array[chosen] for array in arrays["train"]))
    write_cifar_batch(folder / "test_batch", *arrays["test"])
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"class{n}" for n in range(10)]}))
    return str(tmp_path), arrays


def write_cifar_batch(path: Path, images: np.ndarray, labels: np.ndarray):
    data = pickle.dumps({"data": images.reshape(len(images), -1), "labels": labels.tolist()}, protocol=2)
    # as the real files' old numpy did, store a dtype's flags as integers, which numpy 2.4.0 to 2.4.4 warn about
    path.write_bytes(data.replace(b"\x89\x88\x87", b"K\x00K\x01\x87"))


def together(batches):
    """All images, labels and indices of some batches."""
    return tuple(torch.cat(fields) for fields in zip(*batches, strict=True))


@pytest.fixture
def everything():
    return together
