"""Arguments of a study's command that say how many systems run at a time, and where."""

import argparse
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from sparsefront.common.home import at_home
from sparsefront.studies.study import Study
from sparsefront.studies.system import System

if TYPE_CHECKING:
    from sparsefront.studies.run_systems import Workers


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--jobs` and `--cluster`."""
    parser.add_argument("--jobs", type=_count, metavar="N", help="systems that run at a time (default: 1)")
    parser.add_argument(
        "--cluster", type=Path, metavar="FILE", help="YAML file of submitit's parameters: each system is a job"
    )


def workers_of(given: argparse.Namespace, study: Study) -> "Workers | None":
    """Who takes the turns of a study's systems.

    Raises:
        ValueError: the file of `--cluster` cannot be one, or submitit is not installed.
    """
    from sparsefront.studies.cluster_workers import ClusterWorkers  # with torch, as all that runs systems
    from sparsefront.studies.thread_workers import ThreadWorkers

    if given.cluster is None:
        return None if given.jobs in (None, 1) else ThreadWorkers(given.jobs)
    path = at_home(given.cluster)
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (yaml.YAMLError, UnicodeDecodeError):
        settings = None
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise ValueError(
            f"`--cluster` must be a YAML file of submitit's parameters, found none at {path}; write e.g. "
            "`{executor: slurm, timeout_min: 240, slurm_partition: gpu, gpus_per_node: 1}` into it."
        )
    try:
        return ClusterWorkers(study.folder / "jobs", settings)
    except ImportError as error:
        raise ValueError(str(error)) from None


def run_by(workers: "Workers | None", given: argparse.Namespace, systems: Sequence[System]) -> dict[str, str]:
    """Do what is left to do of the systems; returns why some have no results."""
    from sparsefront.studies.run_systems import run_systems, threads_for
    from sparsefront.studies.thread_workers import ThreadWorkers

    jobs = given.jobs or (1 if workers is None else len(systems))
    with threads_for(jobs) if isinstance(workers, ThreadWorkers) else nullcontext():
        return run_systems(systems, workers, jobs)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, found {text}; write e.g. 2.")
    return int(text)
