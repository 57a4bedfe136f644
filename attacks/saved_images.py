"""Adversarial images that an earlier evaluation kept."""

import json
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from sparsefront.attacks.base import Attack
from sparsefront.attacks.parts.model import Model
from sparsefront.common.atomic_file import atomic_file
from sparsefront.common.budget import Budget
from sparsefront.common.home import at_home


@dataclass(frozen=True)
class SavedImages(Attack):
    """The adversarial images that the evaluation of another model saved for the same samples.

    Written with `evaluation.pictures.save_images`; a transfer or gray-box row made of them costs no attack. A sample
    that the other model got wrong from the start was saved as it was. `budget` and `minimises` are those of the attack
    that made the images.

    Args:
        folder: an attack's folder, `<run>/results/<stage>_adversarial/<attack>`.

    Raises:
        ValueError: no images there, a sample that is not among them, or images that were made from other ones.
    """

    folder: str

    def __post_init__(self) -> None:
        _places(self.folder)

    @property
    def knowledge(self) -> str:  # type: ignore[override]
        """`transfer`, or `control` where the images were made by no adversary."""
        return "control" if _origin(self.folder)["knowledge"] == "control" else "transfer"

    @property
    def budget(self) -> Budget | None:
        """The ball that the attack kept to which made the images, or None."""
        budget = _origin(self.folder)["budget"]
        return None if budget is None else Budget(*budget)

    @property
    def minimises(self) -> str | None:
        """The norm that the attack minimised which made the images, or None."""
        norm: str | None = _origin(self.folder)["minimises"]
        return norm

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Look the samples up."""
        places = _places(self.folder)
        samples = indices.tolist()
        absent = [sample for sample in samples if sample not in places]
        if absent:
            raise ValueError(
                f"`folder` of SavedImages must hold every sample, found none for {len(absent)} of {len(samples)}, e.g. "
                f"sample {absent[0]}; evaluate the other model on as many."
            )
        saved = torch.empty_like(images)
        for file in sorted({places[sample][0] for sample in samples}):
            rows = [row for row, sample in enumerate(samples) if places[sample][0] == file]
            chosen = [places[samples[row]][1] for row in rows]
            arrays = _read(Path(file), "image", "linf")
            adversarial, sizes = (torch.from_numpy(array[chosen]).to(images) for array in arrays)
            if adversarial.shape != images[rows].shape or (
                ((adversarial - images[rows]).abs().flatten(1).amax(dim=1) - sizes).abs().max() > 1e-4
            ):
                raise ValueError(
                    f"`folder` of SavedImages must hold perturbations of these images, found others in {file}; "
                    "evaluate both models on the same data and part."
                )
            saved[rows] = adversarial
        return saved


def save_images(folder: Path, name: str, attack: Attack, images: Tensor, adversarial: Tensor, indices: Tensor) -> None:
    """Keep a batch for `SavedImages`: the attack, (B, C, H, W) images, what became of them, and (B,) sample numbers."""
    sizes = (adversarial - images).abs().flatten(1).amax(dim=1)
    index, image, linf = (tensor.cpu() for tensor in (indices, adversarial, sizes))
    if image.dtype == torch.bfloat16:  # which NumPy does not know, and single precision holds
        image, linf = image.float(), linf.float()
    origin = json.dumps({key: getattr(attack, key) for key in ("knowledge", "budget", "minimises")})
    with atomic_file(folder / f"{name}.npz") as file:
        np.savez_compressed(
            file, allow_pickle=False, index=index.numpy(), image=image.numpy(), linf=linf.numpy(), origin=origin
        )


def _origin(folder: str) -> dict[str, Any]:
    """Of the attack that made the images: `knowledge`, `budget`, `minimises`."""
    file, _ = next(iter(_places(folder).values()))
    (origin,) = _read(Path(file), "origin")
    try:
        entries: dict[str, Any] = json.loads(str(origin))
        return {key: entries[key] for key in ("knowledge", "budget", "minimises")}
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(Path(file)) from error


def _read(file: Path, *names: str) -> list[np.ndarray]:
    """Arrays of a file, of as many rows each; nothing in it is run."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as kept:
            arrays = [kept[name] for name in names]
            count = len(kept["index"])
    except (ValueError, KeyError, EOFError, TypeError, IndexError, BadZipFile, zlib.error) as error:
        raise _damaged(file) from error
    if any(array.ndim and len(array) != count for array in arrays):
        raise _damaged(file)
    return arrays


def _damaged(file: Path) -> ValueError:
    return ValueError(
        f"`folder` of SavedImages must hold files that an evaluation wrote, found a damaged {file}; evaluate the other "
        "model again."
    )


@lru_cache(maxsize=32)
def _places(folder: str) -> dict[int, tuple[str, int]]:
    """Sample number -> file and row."""
    places: dict[int, tuple[str, int]] = {}
    for file in sorted(Path(at_home(folder)).glob("*.npz")):
        (index,) = _read(file, "index")
        if index.ndim != 1 or index.dtype.kind not in "iu":
            raise _damaged(file)
        places |= {int(sample): (str(file), row) for row, sample in enumerate(index)}
    if not places:
        raise ValueError(
            f"`folder` of SavedImages must hold an attack's images, found none in {folder}; write them with "
            "`evaluation.pictures.save_images: true`."
        )
    return places
