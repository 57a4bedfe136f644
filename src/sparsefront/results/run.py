"""One evaluated system, read from its run folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.picture_arrays import check_pictures
from sparsefront.results.plain import plain
from sparsefront.results.representation_record import RepresentationRecord
from sparsefront.results.result_files import STAGES, Columns, locate, read_about, read_arrays, read_columns, read_text
from sparsefront.results.same_evaluation import check_same_evaluation
from sparsefront.results.whole_results import MEND, check_names, check_whole


@dataclass(frozen=True)
class Run:
    """What an evaluation left in its folder.

    Attributes:
        folder: the folder that holds `results/`.
        stage: "val" or "test".
        name: the system's name in tables, e.g. "TopT + ConvNet".
        about: `results/<stage>_attacks.json` as read.
        attacks: one record an attack, in the order they ran, failed ones included.
        samples: columns of `results/<stage>_samples.csv`, each float (N,), NaN where a cell is empty.
        images: arrays of `results/<stage>_images.npz`; empty if the file is absent.
        metrics: columns of `metrics.csv`, each float (rows,), NaN where a cell is empty; empty if the file is absent.
        config: text of `config.yaml`, or None.
        representations: of the hidden layer under variants of the images, or None.
    """

    folder: Path
    stage: str
    name: str
    about: dict[str, Any]
    attacks: tuple[AttackRecord, ...]
    samples: Columns
    images: Columns = field(default_factory=dict)
    metrics: Columns = field(default_factory=dict)
    config: str | None = None
    representations: RepresentationRecord | None = None

    @classmethod
    def load(cls, folder: str | Path, stage: str | None = None) -> "Run":
        """Read a run folder, or the newest `version_<n>` inside it that has results.

        Args:
            folder: the run folder.
            stage: "val" or "test"; None takes test if it is there, else val.

        Raises:
            FileNotFoundError: the folder or a result file is missing.
            ValueError: `stage` is unknown, or the result files contradict each other.
        """
        if stage not in (None, *STAGES):
            raise ValueError(f"`stage` must be 'val' or 'test', found {stage!r}; leave it out to take what is there.")
        home, stage = locate(Path(folder), STAGES if stage is None else (stage,))
        results = home / "results"
        entry = read_about(results / f"{stage}_attacks.json", stage)
        about = entry.mapping()
        samples = read_columns(results / f"{stage}_samples.csv")
        attacks = tuple(AttackRecord.read(attack) for attack in entry.at("attacks").parts())
        check_names(entry.path, attacks)
        check_whole(results / f"{stage}_samples.csv", samples, attacks, about)
        check_same_evaluation(results / f"{stage}_samples.csv", about)
        images = results / f"{stage}_images.npz"
        arrays = read_arrays(images) if images.is_file() else {}
        check_pictures(images, arrays, MEND)
        metrics = home / "metrics.csv"
        config = home / "config.yaml"
        return cls(
            folder=home,
            stage=stage,
            name=str(about["system"]),
            about=about,
            attacks=attacks,
            samples=samples,
            images=arrays,
            metrics=read_columns(metrics, "delete it: it has the curves alone", growing=True)
            if metrics.is_file()
            else {},
            config=read_text(config) if config.is_file() else None,
            representations=RepresentationRecord.read(results, stage),
        )

    @property
    def n(self) -> int:
        """Count of samples."""
        return len(self.samples["label"])

    @property
    def completed(self) -> list[AttackRecord]:
        """The attacks that ran to their end."""
        return [attack for attack in self.attacks if attack.error is None]

    @property
    def judging(self) -> list[AttackRecord]:
        """Those of them that enter the worst case."""
        return [attack for attack in self.completed if attack.in_worst_case]

    @property
    def balls(self) -> list[tuple[str, float]]:
        """The balls that those keep to, norm and radius."""
        return list(dict.fromkeys(ball for attack in self.judging if (ball := attack.ball)))

    @property
    def fell(self) -> np.ndarray:
        """Bool (N,): brought down by an attack that enters the worst case, were it one that failed later."""
        fallen: np.ndarray = self.samples.get("fell", np.zeros(self.n)) == 1
        return fallen

    def right(self, attack: str | None = None) -> np.ndarray:
        """Bool (N,): right on the clean image and, if one is named, still right under that attack."""
        label = self.samples["label"]
        right: np.ndarray = self.samples["clean_pred"] == label
        return right if attack is None else right & (self.samples[f"{attack}/pred"] == label)

    def attacked(self, attack: str) -> int:
        """Count of the samples that an attack met; in a cascade, those left standing before it."""
        return int((~np.isnan(self.samples[f"{attack}/linf"])).sum())

    def success(self, attack: str) -> np.ndarray:
        """Bool (N,): was right, and the attack reached its goal (its target class, if it has one)."""
        success: np.ndarray = self.samples[f"{attack}/success"] == 1
        return success


def load_runs(folders: Sequence[str | Path] | Mapping[str, str | Path], stage: str | None = None) -> list[Run]:
    """Read several run folders; systems of one name are told apart by the end of their folder's path.

    Args:
        folders: the run folders; a mapping gives their systems the names that it has them by.
        stage: as `Run.load`.

    Raises:
        FileNotFoundError: as `Run.load`.
        ValueError: as `Run.load`, or `folders` is empty.
    """
    if not folders:
        raise ValueError("`folders` must name at least one run folder, found none; give e.g. runs/default.")
    if isinstance(folders, Mapping):
        return [replace(Run.load(folder, stage), name=plain(name)) for name, folder in folders.items()]
    loaded = {(run := Run.load(folder, stage)).folder.resolve(): run for folder in folders}
    runs = list(loaded.values())
    return [replace(run, name=_distinct(run, runs)) for run in runs]


def _distinct(run: Run, runs: Sequence[Run]) -> str:
    others = [other.folder.resolve().parts for other in runs if other is not run and other.name == run.name]
    if not others:
        return run.name
    parts = run.folder.resolve().parts
    ends = (parts[-length:] for length in range(1, len(parts) + 1))
    end = next(end for end in ends if all(other[-len(end) :] != end for other in others))
    return f"{run.name} ({plain('/'.join(end))})"
