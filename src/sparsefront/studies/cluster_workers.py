"""Turns on a cluster, through submitit."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sparsefront.studies.separate_run import end_all
from sparsefront.studies.system import System
from sparsefront.studies.thread_workers import Lines
from sparsefront.studies.turn import take_turn


class ClusterWorkers:
    """Turns that are jobs of a cluster; one that is preempted, or meets its time limit, is queued again and goes on.

    Args:
        folder: of the jobs' scripts and logs, which the machines of the cluster share.
        settings: parameters of submitit's `AutoExecutor.update_parameters`, and `executor`: slurm (the default), local
            or debug.

    Raises:
        ImportError: submitit is not installed.
        ValueError: a parameter that the executor does not have.
    """

    pause = 2.0

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        try:
            import submitit
        except ImportError:
            raise ImportError(
                "`--cluster` needs submitit, found none installed; run `pip install 'sparsefront[cluster]'`."
            ) from None
        parameters = dict(settings)
        executor = str(parameters.pop("executor", "slurm"))
        try:
            self._executor = submitit.AutoExecutor(folder=folder, cluster=executor)
            self._executor.update_parameters(**parameters)
        except (ValueError, NameError, RuntimeError, TypeError) as error:
            raise ValueError(f"`--cluster` must hold parameters of submitit, found others ({error}).") from None
        self._jobs: list[Any] = []

    def start(self, system: System) -> "ClusterTurn":
        """Submit a system's turn."""
        turn = ClusterTurn(self._executor.submit(PreemptibleTurn(), system))
        self._jobs.append(turn)
        print(f"{system.name}: job {turn.number}", flush=True)
        return turn

    def end(self) -> None:
        """Cancel the jobs that have not ended; what they have is kept as at any other kill."""
        for turn in self._jobs:
            turn.cancel()


class ClusterTurn:
    """A job.

    Args:
        job: submitit's.
    """

    def __init__(self, job: Any) -> None:
        self._job = job

    @property
    def number(self) -> str:
        """As the cluster has it."""
        return str(self._job.job_id)

    def done(self) -> bool:
        """Whether it has ended."""
        return bool(self._job.done())

    def result(self) -> str:
        """Why there are no results; empty if there are."""
        try:
            return str(self._job.result())
        except Exception as error:  # whatever the job met, or the cluster
            last = (str(error).strip() or type(error).__name__).splitlines()[-1]
            return f"its job {self.number} failed; see {self._job.paths.stderr} ({last})"

    def cancel(self) -> None:
        """Cancel the job."""
        if not self.done():
            self._job.cancel()


class PreemptibleTurn:
    """A system's turn, as a function that submitit calls, and calls again where it was preempted."""

    def __call__(self, system: System) -> str:
        """Take the turn, in a thread: the signals that tell of a preemption come to the main one."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(take_turn, system, Lines()).result()

    def checkpoint(self, system: System) -> Any:
        """Called at a preemption: let the command that runs keep what it has; the job is queued again."""
        from submitit.helpers import DelayedSubmission

        end_all()
        return DelayedSubmission(self, system)
