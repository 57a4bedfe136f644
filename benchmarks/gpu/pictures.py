"""CIFAR-10 as it is trained on and attacked: from a tree of files, from a packed folder, or made up."""

import hashlib
import io
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.gpu.options import Options
from benchmarks.gpu.packed import PICTURES

SIDE = 32
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
N_CLASSES = len(CLASSES)
N_ATTACKED = 1000
N_TOY = {"train": 96, "test": 12}
File = tuple[str, bytes]  # class and content


@dataclass(frozen=True)
class Pictures:
    """Labelled pictures.

    Attributes:
        images: (N, 3, 32, 32) uint8.
        labels: (N,) int64.
        source: where they are from, in words.
    """

    images: Tensor
    labels: Tensor
    source: str

    def sha256(self) -> str:
        """Of images and labels."""
        return hashlib.sha256(self.images.numpy().tobytes() + self.labels.numpy().tobytes()).hexdigest()

    def as_floats(self, device: torch.device, number: int | None = None) -> Tensor:
        """The first (N, 3, 32, 32) in [0, 1], on a device."""
        return self.images[:number].to(device).float() / 255


def training_pictures(options: Options, number: int | None = None) -> Pictures:
    """The first so many training pictures, class by class in turn; all if absent."""
    number = N_TOY["train"] if options.toy else number
    if options.image_folder is not None:
        return _decoded(_in_turn(options.image_folder / "train"), number, f"{options.image_folder.name}/train")
    if options.packed is not None:
        return _decoded(_of_archive(options.packed / PICTURES["train"]), number, PICTURES["train"])
    return _made_up(options, "train")


def test_pictures(options: Options) -> Pictures:
    """The first 1,000 test pictures, class by class in turn: lossless ones where they are named."""
    number = N_TOY["test"] if options.toy else N_ATTACKED
    folder = options.lossless or options.image_folder
    if folder is not None:
        return _decoded(_in_turn(folder / "test"), number, f"{folder.name}/test")
    if options.packed is not None:
        return _decoded(_of_archive(options.packed / PICTURES["test"]), number, PICTURES["test"])
    return _made_up(options, "test")


def files_in_turn(folder: Path) -> list[Path]:
    """The files of a CLASS/ tree: of every class the first, then the second ones, ..."""
    classes = [sorted(path for path in inside.glob("*") if path.is_file()) for inside in sorted(folder.glob("*"))]
    if not any(classes):
        raise FileNotFoundError(f"pictures must lie in {folder}/CLASS/, found none.")
    return [path for turn in zip_longest(*classes) for path in turn if path is not None]


def _in_turn(folder: Path) -> Iterator[File]:
    return ((path.parent.name, path.read_bytes()) for path in files_in_turn(folder))


def _of_archive(path: Path) -> Iterator[File]:
    with tarfile.open(path) as archive:
        for member in archive:
            if (content := archive.extractfile(member)) is not None:
                yield Path(member.name).parent.name, content.read()


def _decoded(files: Iterator[File], number: int | None, source: str) -> Pictures:
    """Labels are places in `CLASSES`, as published networks have them.

    Raises:
        ValueError: there are others than these classes, or of ten pictures and more not all of them.
    """
    with ThreadPoolExecutor() as threads:
        found = list(threads.map(_pixels, islice(files, number)))
    names = {name for name, _ in found}
    if not names <= {*CLASSES} or (len(found) >= N_CLASSES and len(names) < N_CLASSES):
        raise ValueError(f"`{source}` must hold the classes {', '.join(CLASSES)}, found {', '.join(sorted(names))}.")
    labels = torch.tensor([CLASSES.index(name) for name, _ in found])
    images = torch.from_numpy(np.stack([pixels for _, pixels in found])).permute(0, 3, 1, 2).contiguous()
    return Pictures(images, labels, f"{source}, {len(images)} pictures")


def _pixels(file: File) -> tuple[str, np.ndarray]:
    name, content = file
    with Image.open(io.BytesIO(content)) as picture:
        return name, np.asarray(picture.convert("RGB"))


def _made_up(options: Options, part: str) -> Pictures:
    """Noise around a grey of its own for each class: something to learn.

    Raises:
        ValueError: only toy sizes are made up.
    """
    if not options.toy:
        raise ValueError("`--image_folder` or `--packed` must name pictures of CIFAR-10, found neither; see pack.py.")
    number = N_TOY[part]
    labels = torch.arange(number) % N_CLASSES
    generator = torch.Generator().manual_seed(len(part))
    noise = torch.randint(0, 60, (number, 3, SIDE, SIDE), generator=generator)
    return Pictures((noise + 19 * labels[:, None, None, None]).to(torch.uint8), labels, "made up")
