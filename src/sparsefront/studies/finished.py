"""What has come to its end, by what the files hold."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparsefront.common.checkpoints.checkpoint import RUN, Checkpoint, content_of
from sparsefront.common.checkpoints.run_folder import find_checkpoint
from sparsefront.common.run_versions import versions_of
from sparsefront.results.evaluation_record import EvaluationRecord, path_of
from sparsefront.results.same_evaluation import check_same_evaluation
from sparsefront.studies.made_with import by_name
from sparsefront.studies.named_files import contents
from sparsefront.studies.system import System

_LENGTHS = ("max_epochs", "max_steps")


def has_whole_fit(system: System) -> bool:
    """Whether the system's newest checkpoint is of a fit that came to its end, at the length that is asked for."""
    found = _newest(system.folder)
    if found is None or not found.ended:
        return False
    run = (content_of(found.path) or {}).get(RUN)
    settings = run.get("settings") if isinstance(run, dict) else None
    trainer = settings.get("trainer") if isinstance(settings, dict) else None
    kept = trainer if isinstance(trainer, dict) else {}
    asked = by_name([*(layer.settings for layer in system.layers), *contents(system.more)])
    lengths = {name: asked.get(f"trainer.{name}") for name in _LENGTHS if name in kept}
    return all(value is None or str(value) == str(kept[name]) for name, value in lengths.items())


def has_results(folder: Path, stage: str = "test") -> bool:
    """Whether the newest evaluation in a run's folder came to its end and is as it was written.

    Args:
        folder: of a run.
        stage: test or val.
    """
    home = results_in(folder, stage)
    return home is not None and _whole(home / "results", stage) is not None


def has_whole_test(system: System) -> bool:
    """Whether the system's results are whole, and of the weights that it has now."""
    home = results_in(system.folder, system.stage)
    provenance = None if home is None else _whole(home / "results", system.stage)
    if provenance is None:
        return False
    weights = provenance.get("weights")
    tested = weights.get("sha256") if isinstance(weights, dict) else None
    found = _newest(system.folder) if system.fit and tested is not None else None
    return found is None or found.digest == tested


def results_in(folder: Path, stage: str = "test") -> Path | None:
    """The folder that holds the newest evaluation of a run's folder, whole or not; None if there is none."""
    homes = (*versions_of(folder), folder)
    return next((home for home in homes if path_of(home / "results", stage).is_file()), None)


def has_rows(folder: Path) -> bool:
    """Whether a test of a run's folder was interrupted and left rows to go on from."""
    return any(folder.glob("version_*/results/test_partial/about.json"))


def _whole(results: Path, stage: str) -> Mapping[str, Any] | None:
    """Where an evaluation comes from, None unless its record and the samples that it was written with are whole."""
    try:
        provenance = EvaluationRecord.read(results, stage).provenance
        check_same_evaluation(results / f"{stage}_samples.csv", provenance)
    except (ValueError, OSError):
        return None
    return provenance if provenance.get("whole") is not False else None


def _newest(folder: Path) -> Checkpoint | None:
    try:
        return find_checkpoint(folder, "ckpt_path")
    except (FileNotFoundError, ValueError):
        return None
