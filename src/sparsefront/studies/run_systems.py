"""The systems of a study, one after the other or several at a time."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from sparsefront.studies.record import is_fitted
from sparsefront.studies.system import System
from sparsefront.studies.turn import take_turn

_THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")


class Turn(Protocol):
    """A system's turn that others take at the same time."""

    def done(self) -> bool:
        """Whether it has ended."""

    def result(self) -> str:
        """Why there are no results; empty if there are."""


class Workers(Protocol):
    """Who takes the turns.

    Attributes:
        pause: seconds between two looks at them.
    """

    pause: float

    def start(self, system: System) -> Turn:
        """Begin a system's turn."""

    def end(self) -> None:
        """Let all that were begun keep what they have, and end."""


def run_systems(
    systems: Sequence[System], workers: Workers | None = None, jobs: int = 1, shown: bool = False
) -> dict[str, str]:
    """Do what is left to do of each system; one that fails keeps only those from running that need it.

    Args:
        systems: each after those that it needs.
        workers: who takes the turns; None for this process, one after the other.
        jobs: how many systems run at a time; a system that needs another waits for that one's fit.
        shown: whether what the commands print goes where this process prints, in place of each system's log; without
            workers.

    Returns:
        Why a system has no results, by its name; empty if all have.
    """
    if workers is None:
        reasons = {system.name: take_turn(system, _say, shown) for system in systems}
    else:
        try:
            reasons = _side_by_side(systems, workers, jobs)
        except BaseException:
            workers.end()
            raise
    return {system.name: reasons[system.name] for system in systems if reasons[system.name]}


def _side_by_side(systems: Sequence[System], workers: Workers, jobs: int) -> dict[str, str]:
    waiting = list(systems)
    running: dict[str, Turn] = {}
    reasons: dict[str, str] = {}
    while waiting or running:
        for name in [name for name, turn in running.items() if turn.done()]:
            reasons[name] = running.pop(name).result()
        names = {system.name for system in waiting} | running.keys()
        ready = [system for system in waiting if not any(_is_awaited(other, names) for other in system.needs)]
        for system in ready[: max(jobs - len(running), 0)]:
            waiting.remove(system)
            running[system.name] = workers.start(system)
        time.sleep(workers.pause)
    return reasons


def _is_awaited(other: System, to_come: set[str]) -> bool:
    """Whether a needed system will still be fitted."""
    return other.name in to_come and not is_fitted(other)


@contextmanager
def threads_for(jobs: int) -> Iterator[None]:
    """Inside, each process that is begun computes with its share of this machine's processors.

    Args:
        jobs: number of processes at a time.
    """
    share = max(1, (len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1) // jobs)
    given = {name: str(share) for name in _THREADS if name not in os.environ}
    os.environ.update(given)
    try:
        yield
    finally:
        for name in given:
            del os.environ[name]


def _say(text: str, end: str) -> None:
    print(text, end=end, flush=True)
