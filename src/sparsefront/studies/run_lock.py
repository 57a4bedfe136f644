"""One writer of a run's folder at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_LOCK = ".study.lock"


class InUseError(RuntimeError):
    """Another process writes to the folder of a run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"`run_dir` must be written to by one study at a time, found another at work in {folder}; wait for its end."
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a run's folder, which is made if it is not there, from other processes; a dead process keeps nothing.

    Raises:
        InUseError: another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK, is_singleton=True)  # a thread that has it may take it again
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InUseError(folder) from None
    try:
        yield
    finally:
        lock.release()
