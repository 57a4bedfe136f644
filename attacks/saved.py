"""Adversarial images that an earlier evaluation kept."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attacks.base import Attack, Budget, Model
from sparsefront.common.whole_file import whole_file


@dataclass(frozen=True)
class SavedImages(Attack):
    """What another model's evaluation made of the same samples (`evaluation.save_images`), met by this model.

    So a transfer or gray-box row costs no attack. A sample that the other model got wrong from the start was kept as it
    was. Its ball, or that it had none, is the attack's that made them.

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
        """That of a transfer, or `control` where the images were made by no adversary."""
        return "control" if _origin(self.folder)["knowledge"] == "control" else "transfer"

    @property
    def budget(self) -> Budget | None:
        """The other attack's."""
        found = _origin(self.folder)["budget"]
        return None if found is None else Budget(*found)

    @property
    def minimises(self) -> str | None:
        """The other attack's."""
        return _origin(self.folder)["minimises"]

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Look the samples up."""
        places = _places(self.folder)
        numbers = indices.tolist()
        absent = [number for number in numbers if number not in places]
        if absent:
            raise ValueError(
                f"`folder` of SavedImages must hold every sample, found none for {len(absent)} of {len(numbers)}, e.g. "
                f"sample {absent[0]}; evaluate the other model on as many."
            )
        found = torch.empty_like(images)
        for file in sorted({places[number][0] for number in numbers}):
            rows = [row for row, number in enumerate(numbers) if places[number][0] == file]
            with np.load(file) as kept:
                chosen = [places[numbers[row]][1] for row in rows]
                adversarial, sizes = (torch.from_numpy(kept[name][chosen]).to(images) for name in ("image", "linf"))
            if adversarial.shape != images[rows].shape or (
                ((adversarial - images[rows]).abs().flatten(1).amax(dim=1) - sizes).abs().max() > 1e-4
            ):
                raise ValueError(
                    f"`folder` of SavedImages must hold perturbations of these images, found others in {file}; "
                    "evaluate both models on the same data and part."
                )
            found[rows] = adversarial
        return found


def save_images(folder: Path, name: str, attack: Attack, images: Tensor, adversarial: Tensor, indices: Tensor) -> None:
    """Keep a batch for `SavedImages`: the attack, (B, C, H, W) images, what became of them, and (B,) sample numbers."""
    sizes = (adversarial - images).abs().flatten(1).amax(dim=1)
    index, image, linf = (tensor.cpu().numpy() for tensor in (indices, adversarial, sizes))
    origin = json.dumps({key: getattr(attack, key) for key in ("knowledge", "budget", "minimises")})
    with whole_file(folder / f"{name}.npz") as file:
        np.savez_compressed(file, allow_pickle=False, index=index, image=image, linf=linf, origin=origin)


def _origin(folder: str) -> dict[str, Any]:
    """Of the attack that made the images: `knowledge`, `budget`, `minimises`."""
    file, _ = next(iter(_places(folder).values()))
    with np.load(file) as kept:
        return json.loads(str(kept["origin"]))


@lru_cache(maxsize=32)
def _places(folder: str) -> dict[int, tuple[str, int]]:
    """Sample number -> file and row."""
    places: dict[int, tuple[str, int]] = {}
    for file in sorted(Path(folder).glob("*.npz")):
        with np.load(file) as kept:
            places |= {int(number): (str(file), row) for row, number in enumerate(kept["index"])}
    if not places:
        raise ValueError(
            f"`folder` of SavedImages must hold an attack's images, found none in {folder}; write them with "
            "`evaluation.save_images: true`."
        )
    return places
