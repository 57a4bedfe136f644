"""What became of hidden representations, as one evaluation left it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sparsefront.common.atomic_file import atomic_file, write_atomically
from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.entry import Entry
from sparsefront.results.representation_check import ORIGINAL, check_representations
from sparsefront.results.result_files import read_arrays, read_json
from sparsefront.results.share import Share

KEYS = ("variants", "class_names", "positive", "neuron", "difference", "deviation", "distance", "n_samples")


class Group(NamedTuple):
    """Images of the positive class, or all others.

    Attributes:
        name: of the class, or "others".
        members: bool (N,), which samples belong to it.
        classes: bool (K,), which classes do.
    """

    name: str
    members: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class RepresentationRecord:
    """Predictions and representations of N samples, as they are and as variants.

    Attributes:
        provenance: as in `results/<stage>_representations.json`: `variants` with their settings, `class_names`,
            `positive`, `neuron`, `distance` by variant, with its `difference` and `deviation`, versions, machine and
            command.
        arrays: `index` and `label` (N,); for the original and each variant `pred/NAME` (N,) and `hidden/NAME` (N, n);
            `weight` (n,) towards the positive class; where they were measured, `training/images` (K,), `training/mean`
            and `training/deviation` (K, n); `picture/...` as the panel of pictures wants them.
    """

    provenance: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    @classmethod
    def read(cls, results: Path, stage: str) -> "RepresentationRecord | None":
        """Read the record that a `results` folder holds; None where none was kept.

        Raises:
            FileNotFoundError: one of its two files is missing.
            ValueError: the files are no record, or not of one evaluation.
        """
        path, arrays_path = _paths(results, stage)
        if not path.is_file():
            return None
        mend = "evaluate again with the callback Representations, or delete both files"
        if not arrays_path.is_file():
            raise FileNotFoundError(f"{arrays_path} is missing beside {path.name}; {mend}.")
        provenance, arrays = read_json(path, KEYS, mend), read_arrays(arrays_path)
        check_representations(provenance, arrays_path, arrays)
        return cls(provenance.mapping(), arrays)

    def write(self, results: Path, stage: str) -> None:
        """Write both files into a `results` folder, each whole or not at all."""
        path, arrays_path = _paths(results, stage)
        with atomic_file(arrays_path) as file:
            np.savez_compressed(file, allow_pickle=False, **self.arrays)
        write_atomically(path, json.dumps(dict(self.provenance), indent=1, default=str))

    @property
    def names(self) -> list[str]:
        """Names of the original and of the variants, in the order they were made."""
        return [ORIGINAL, *(entry["name"] for entry in self.provenance["variants"])]

    @property
    def variants(self) -> list[AttackRecord]:
        """The attacks and controls that made the variants."""
        provenance = Entry(dict(self.provenance), Path("this record"), "evaluate again")
        return [AttackRecord.read(entry) for entry in provenance.at("variants").parts()]

    @property
    def neuron(self) -> int:
        """Number of the neuron that is shown alone."""
        return int(self.provenance["neuron"])

    def hidden(self, name: str) -> np.ndarray:
        """Representations (N, n) of the original or of a variant."""
        return self.arrays[f"hidden/{name}"]

    def accuracy(self, name: str) -> Share:
        """Share of all samples that are predicted right, as they are or as a variant."""
        label = self.arrays["label"]
        return Share(int((self.arrays[f"pred/{name}"] == label).sum()), len(label))

    @property
    def groups(self) -> list[Group]:
        """The positive class, then all others."""
        names, positive = list(map(str, self.provenance["class_names"])), int(self.provenance["positive"])
        other = names[1 - positive] if len(names) == 2 else "others"
        of_class, label = np.arange(len(names)) == positive, self.arrays["label"]
        return [Group(names[positive], label == positive, of_class), Group(other, label != positive, ~of_class)]

    def representative(self, group: Group) -> int:
        """The sample whose representation is nearest to its group's mean: typical, and chosen by no one's eye."""
        hidden = np.where(group.members[:, None], self.hidden(ORIGINAL), np.inf).astype(np.float64)
        mean = hidden[group.members].mean(axis=0)
        return int(np.square(hidden - mean).sum(axis=1).argmin())

    def training_moments(self, group: Group) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and deviation (n,) of each neuron over the group's training images; None where there are none."""
        if "training/images" not in self.arrays:
            return None
        parts = ("images", "mean", "deviation")
        images, mean, deviation = (self.arrays[f"training/{part}"][group.classes].astype(np.float64) for part in parts)
        if not images.sum():
            return None
        weight = (images / images.sum())[:, None]
        pooled = (weight * mean).sum(axis=0)
        return pooled, np.sqrt((weight * (deviation**2 + (mean - pooled) ** 2)).sum(axis=0))

    @property
    def pictures(self) -> dict[str, np.ndarray]:
        """A few images, their variants, and what the front end leaves of each."""
        prefix = "picture/"
        return {name.removeprefix(prefix): array for name, array in self.arrays.items() if name.startswith(prefix)}


def _paths(results: Path, stage: str) -> tuple[Path, Path]:
    return results / f"{stage}_representations.json", results / f"{stage}_representations.npz"
