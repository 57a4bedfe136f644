"""Turns on this machine."""

from concurrent.futures import Future, ThreadPoolExecutor

from sparsefront.studies.separate_run import end_all, open_again
from sparsefront.studies.system import System
from sparsefront.studies.turn import take_turn


class ThreadWorkers:
    """Turns on this machine, each of which waits in a thread for processes of its own.

    Args:
        jobs: how many at a time.
    """

    pause = 0.1

    def __init__(self, jobs: int) -> None:
        self._pool = ThreadPoolExecutor(jobs)

    def start(self, system: System) -> "Future[str]":
        """Begin a system's turn."""
        return self._pool.submit(take_turn, system, Lines())

    def end(self) -> None:
        """Let the processes keep what they have, and end."""
        end_all()
        self._pool.shutdown(cancel_futures=True)
        open_again()


class Lines:
    """Says whole lines, so that those of several systems can be told apart."""

    def __init__(self) -> None:
        self._begun = ""

    def __call__(self, text: str, end: str) -> None:
        """Say that something begins where `end` begins no new line, else that it has ended."""
        print(f"{self._begun}{text}\n", end="", flush=True)
        self._begun = f"{text}{end}" if end != "\n" else ""
