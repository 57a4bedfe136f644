"""What happened to each sample."""

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

from sparsefront.common.atomic_file import atomic_file
from sparsefront.results.result_files import Columns, read_columns

Norm = Literal["Linf", "L2", "L1"]
NORMS: dict[str, Norm] = {"linf": "Linf", "l2": "L2", "l1": "L1"}  # column -> norm
QUALITIES = ("psnr", "ssim")
DRAWS = "draws"  # of a randomised front end: share of the draws of a verdict that is right
SOURCE = "source"  # of an attack that asks another model, `<attack>/source`: 1 where that is fooled, NaN where it errs
SIGN = "sign:"  # before the name of a sign; no attack's name has a colon
ROUNDING = 1e-4  # by which a perturbation may stand out of a ball and still count as inside


@dataclass
class Samples:
    """One row a sample: index, label, clean prediction and, per attack, prediction, success and size.

    Attributes:
        columns: each (N,); `index`, `label`, `clean_pred`, `fell` (1: an attack that enters the worst case brought it
            down, were it one that failed on a later sample), and `<attack>/pred`, `<attack>/success` (1: it was right
            and fell), `<attack>/linf`, `/l2`, `/l1` (size of the perturbation in [0, 1] pixel units, NaN where the
            sample was wrong from the start and so not attacked); where the front end returns images also `clean_psnr`
            (dB), `clean_ssim`, `<attack>/psnr` and `<attack>/ssim` of what the classifier sees against the clean image;
            `<attack>/source` of one that asks another model (1: that model was fooled, NaN: it was wrong on the clean
            image); `sign:<sign>` of each sign that some attack asks for (`NamedAttack.where`; 1: shown, NaN: nobody
            looked).
    """

    columns: Columns = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns["index"]) if self.columns else 0

    @classmethod
    def joined(cls, parts: Sequence["Samples"], chains: Mapping[str, str | None] = MappingProxyType({})) -> "Samples":
        """Rows of all parts by rising index; columns that some part lacks (a failed attack) are left out.

        Args:
            parts: rows of some samples each.
            chains: of attacks that were run in a chain: the others of it do not keep what a failed one brought down.
        """
        columns_of_parts = [part.columns for part in parts if len(part)]
        if not columns_of_parts:
            return cls()
        names = [name for name in columns_of_parts[0] if all(name in columns for columns in columns_of_parts)]
        columns_of_parts = [_without_falls_of_others(columns, names, chains) for columns in columns_of_parts]
        order = np.concatenate([columns["index"] for columns in columns_of_parts]).argsort(kind="stable")
        return cls({name: np.concatenate([columns[name] for columns in columns_of_parts])[order] for name in names})

    @classmethod
    def read(cls, path: Path, mend: str = "write it anew") -> "Samples":
        """From a CSV file that `write` wrote, each column float64.

        Args:
            path: the file.
            mend: what to do where it is none, the end of a sentence.

        Raises:
            ValueError: it holds other than one number a cell under a header.
        """
        return cls(read_columns(path, mend))

    def write(self, path: Path) -> None:
        """Write as CSV, whole or not at all."""
        with atomic_file(path) as temporary, temporary.open("w", newline="") as file:
            csv.writer(file).writerows([list(self.columns), *self.cells(list(self.columns))])

    def cells(self, names: Sequence[str]) -> list[list[str]]:
        """The rows as they are written, with columns in this order; empty where a column is not there."""
        empty = np.full(len(self), np.nan)
        columns = [[cell(value) for value in self.columns.get(name, empty).tolist()] for name in names]
        return [list(row) for row in zip(*columns, strict=True)]

    def rows(self, places: Sequence[int]) -> "Samples":
        """The rows at some places, in the order of the places."""
        return Samples({name: column[list(places)] for name, column in self.columns.items()})

    @property
    def attacks(self) -> list[str]:
        """Names of the attacks that have been run, whether or not every sample has gone through them."""
        return [name.removesuffix("/pred") for name in self.columns if name.endswith("/pred")]

    def correct(self, attack: str | None = None) -> np.ndarray:
        """Bool (N,): right on the clean image and, if one is named, under that attack."""
        correct: np.ndarray = self.columns["clean_pred"] == self.columns["label"]
        if attack is not None:
            correct = correct & (self.columns[f"{attack}/pred"] == self.columns["label"])
        return correct

    def success(self, attack: str) -> np.ndarray:
        """Bool (N,): was right, and the attack reached its goal (its target class, if it has one)."""
        reached: np.ndarray = self.columns[f"{attack}/success"] == 1
        return reached

    def attacked(self, attack: str) -> np.ndarray:
        """Bool (N,): met by an attack; in a chain, among those left standing before it."""
        return ~np.isnan(self.columns[f"{attack}/linf"])

    @property
    def fallen(self) -> np.ndarray:
        """Bool (N,): brought down by an attack that enters the worst case, were it one that failed later."""
        fallen: np.ndarray = self.columns.get("fell", np.zeros(len(self))) == 1
        return fallen

    def standing(self, attacks: Collection[str]) -> np.ndarray:
        """Bool (N,): right on the clean image and under each of some attacks."""
        standing: np.ndarray = np.logical_and.reduce([self.correct(), *(self.correct(name) for name in attacks)])
        return standing

    def standing_inside(self, attacks: Collection[str], norm: str, radius: float) -> np.ndarray:
        """Bool (N,): right on the clean image, and none of some attacks found a perturbation inside a ball."""
        standing = self.correct()
        for name in attacks:
            inside = self.columns[f"{name}/{norm.lower()}"] <= radius * (1 + ROUNDING)
            standing = standing & (self.correct(name) | ~inside)
        return standing

    def worst(self, attacks: Collection[str] | None = None) -> np.ndarray:
        """Bool (N,): the worst case: standing under each of some attacks (all, if absent), and never fallen."""
        worst: np.ndarray = self.standing(self.attacks if attacks is None else attacks) & ~self.fallen
        return worst


def _without_falls_of_others(columns: Columns, kept: Sequence[str], chains: Mapping[str, str | None]) -> Columns:
    """The kept columns, where a chain's later attacks do not carry the falls of one that is left out."""
    cleared, label = {name: columns[name] for name in kept}, columns["label"]
    verdicts = [name.removesuffix("/pred") for name in columns if name.endswith("/pred")]
    for failed in [attack for attack in verdicts if f"{attack}/pred" not in kept and chains.get(attack)]:
        fallen = np.isfinite(columns[f"{failed}/linf"]) & (columns[f"{failed}/pred"] != label)
        same = [attack for attack in verdicts if chains.get(attack) == chains[failed]]
        for attack in [attack for attack in same if f"{attack}/pred" in kept]:
            # Whatever has no size was not handed on to this attack.
            carried = fallen & np.isnan(columns[f"{attack}/linf"])
            cleared[f"{attack}/pred"] = np.where(carried, label, cleared[f"{attack}/pred"])
    return cleared


def cell(value: float) -> str:
    """A number as it is written, whole numbers and float32 exactly; empty for NaN."""
    if value != value:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(int(value))
