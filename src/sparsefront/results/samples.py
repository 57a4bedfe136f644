"""What happened to each sample."""

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from sparsefront.attacks.parts.norms import Norm
from sparsefront.common.atomic_file import atomic_file
from sparsefront.results.quality import QUALITIES

NORMS: dict[str, Norm] = {"linf": "Linf", "l2": "L2", "l1": "L1"}  # column -> norm
Columns = dict[str, Tensor]


@dataclass
class Samples:
    """One row a sample: index, label, clean prediction and, per attack, prediction, success and size.

    Attributes:
        columns: each (N,); `index`, `label`, `clean_pred`, `fell` (1: an attack that enters the worst case brought it
            down, were it one that failed on a later sample), and `<attack>/pred`, `<attack>/success` (1: it was right
            and fell), `<attack>/linf`, `/l2`, `/l1` (size of the perturbation in [0, 1] pixel units, NaN where the
            sample was wrong from the start and so not attacked); where the front end returns images also `clean_psnr`
            (dB), `clean_ssim`, `<attack>/psnr` and `<attack>/ssim` of what the classifier sees against the clean image.
    """

    columns: Columns = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns["index"]) if self.columns else 0

    @classmethod
    def joined(cls, parts: Sequence["Samples"]) -> "Samples":
        """Rows of all parts by rising index; columns that some part lacks (a failed attack) are left out."""
        filled = [part.columns for part in parts if len(part)]
        if not filled:
            return cls()
        names = [name for name in filled[0] if all(name in columns for columns in filled)]
        filled = [_without_falls_of_others(columns, names) for columns in filled]
        order = torch.cat([columns["index"] for columns in filled]).sort(stable=True).indices
        return cls({name: torch.cat([columns[name] for columns in filled])[order] for name in names})

    @property
    def attacks(self) -> list[str]:
        """Names of the attacks that every sample has gone through."""
        return [name.removesuffix("/pred") for name in self.columns if name.endswith("/pred")]

    def right(self, attack: str | None = None) -> Tensor:
        """Bool (N,): right on the clean image and, if one is named, under that attack."""
        clean = self.columns["clean_pred"] == self.columns["label"]
        return clean if attack is None else clean & (self.columns[f"{attack}/pred"] == self.columns["label"])

    def worst(self, attacks: Collection[str] | None = None) -> Tensor:
        """Bool (N,): right on the clean image and under each of some attacks (all, if absent), and never `fell`."""
        names = self.attacks if attacks is None else attacks
        held = torch.stack([self.right(), *(self.right(name) for name in names)]).all(dim=0)
        return held & ~self.columns["fell"].bool() if "fell" in self.columns else held

    def metrics(self, in_worst_case: Collection[str]) -> dict[str, float]:
        """What is logged: accuracies as shares of all samples, `linf/`, `l2/`, `psnr/`, `ssim/` as means.

        An attack that met no sample, because none of those right was left for it, has no `robust_acc/`.

        Args:
            in_worst_case: names of the attacks that enter `robust_acc/worst`, which is absent if none of them is here.
        """
        right = self.right()
        values = {"clean_acc": right.double().mean().item(), "clean_acc/n": float(len(self))}
        met = [name for name in self.attacks if not right.any() or self.columns[f"{name}/linf"].isfinite().any()]
        values |= {f"robust_acc/{attack}": self.right(attack).double().mean().item() for attack in met}
        if entering := [attack for attack in self.attacks if attack in in_worst_case]:
            values["robust_acc/worst"] = self.worst(entering).double().mean().item()
        for attack in self.attacks:
            fell = self.columns[f"{attack}/success"].bool()
            sizes = {norm: self.columns[f"{attack}/{norm}"][fell].mean().item() for norm in ("linf", "l2")}
            values |= {f"{norm}/{attack}": size for norm, size in sizes.items() if size == size}
        for name in QUALITIES:
            of = {"clean": f"clean_{name}"} | {attack: f"{attack}/{name}" for attack in self.attacks}
            means = {key: self.columns[column].nanmean().item() for key, column in of.items() if column in self.columns}
            values |= {f"{name}/{key}": mean for key, mean in means.items() if mean == mean}
        return values

    def write(self, path: Path) -> None:
        """Write as CSV, whole or not at all."""
        rows = zip(*(map(cell, column.tolist()) for column in self.columns.values()), strict=True)
        with atomic_file(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(self.columns)
            writer.writerows(rows)


def _without_falls_of_others(columns: Columns, kept: Sequence[str]) -> Columns:
    """The kept columns, where a cascade's later attacks do not carry the falls of one that is left out."""
    found, label = {name: columns[name] for name in kept}, columns["label"]
    verdicts = [name.removesuffix("/pred") for name in columns if name.endswith("/pred")]
    for failed in [attack for attack in verdicts if f"{attack}/pred" not in kept]:
        fell = columns[f"{failed}/linf"].isfinite() & (columns[f"{failed}/pred"] != label)
        for attack in [attack for attack in verdicts if f"{attack}/pred" in kept]:
            # Whatever has no size was not handed on to this attack.
            carried = fell & columns[f"{attack}/linf"].isnan()
            found[f"{attack}/pred"] = torch.where(carried, label, found[f"{attack}/pred"])
    return found


def cell(value: float) -> str:
    """A number as it is written, whole numbers and float32 exactly; empty for NaN."""
    if value != value:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(int(value))
