"""One evaluated system, read from its run folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sparsefront.common.budget import Budget
from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.evaluation_record import EvaluationRecord
from sparsefront.results.picture_arrays import check_pictures
from sparsefront.results.plain import plain
from sparsefront.results.representation_record import RepresentationRecord
from sparsefront.results.result_files import STAGES, Columns, locate, read_arrays, read_columns, read_text
from sparsefront.results.same_evaluation import check_same_evaluation
from sparsefront.results.samples import Samples
from sparsefront.results.whole_results import MEND, check_whole


@dataclass(frozen=True)
class Run:
    """What an evaluation left in its folder.

    Attributes:
        folder: the folder that holds `results/`.
        stage: "val" or "test".
        name: the system's name in tables, e.g. "TopT + ConvNet".
        record: `results/<stage>_attacks.json`.
        samples: `results/<stage>_samples.csv`, each column float (N,), NaN where a cell is empty.
        images: arrays of `results/<stage>_images.npz`; empty if the file is absent.
        metrics: columns of `metrics.csv`, each float (rows,), NaN where a cell is empty; empty if the file is absent.
        config: text of `config.yaml`, or None.
        representations: of the hidden layer under variants of the images, or None.
        seedless_name: the name without a seed, which the runs share that differ in their seeds alone; None for a run
            that is not one of several seeds.
    """

    folder: Path
    stage: str
    name: str
    record: EvaluationRecord
    samples: Samples
    images: Columns = field(default_factory=dict)
    metrics: Columns = field(default_factory=dict)
    config: str | None = None
    representations: RepresentationRecord | None = None
    seedless_name: str | None = None

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
        record = EvaluationRecord.read(results, stage)
        path = results / f"{stage}_samples.csv"
        samples = Samples.read(path)
        check_whole(path, samples, record)
        check_same_evaluation(path, record.provenance)
        images = results / f"{stage}_images.npz"
        arrays = read_arrays(images) if images.is_file() else {}
        check_pictures(images, arrays, MEND)
        metrics = home / "metrics.csv"
        config = home / "config.yaml"
        return cls(
            folder=home,
            stage=stage,
            name=str(record.provenance["system"]),
            record=record,
            samples=samples,
            images=arrays,
            metrics=read_columns(metrics, "delete it: it has the curves alone", growing=True)
            if metrics.is_file()
            else {},
            config=read_text(config) if config.is_file() else None,
            representations=RepresentationRecord.read(results, stage),
        )

    @property
    def seed(self) -> str:
        """What its name says of its seeds, e.g. `seed_everything=0`; empty of a run that is not one of several."""
        if self.seedless_name is None:
            return ""
        words, others = (name.replace(", ", ",").split(",") for name in (self.name, self.seedless_name))
        return ",".join(word for word in words if word not in others)

    @property
    def n(self) -> int:
        """How many samples were evaluated."""
        return len(self.samples)

    @property
    def attacks(self) -> tuple[AttackRecord, ...]:
        """One record an attack, in the order they ran, failed ones included."""
        return self.record.attacks

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What the record says beside its attacks (`EvaluationRecord.provenance`)."""
        return self.record.provenance

    @property
    def completed(self) -> list[AttackRecord]:
        """The attacks that ran to their end."""
        return [attack for attack in self.attacks if attack.error is None]

    @property
    def judging(self) -> list[AttackRecord]:
        """The attacks that ran to their end and enter the worst case."""
        return [attack for attack in self.completed if attack.in_worst_case]

    @property
    def balls(self) -> list[Budget]:
        """The balls that the attacks in the worst case keep to, each once."""
        return list(dict.fromkeys(ball for attack in self.judging if (ball := attack.ball)))


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
