"""A process that ends with the one that began it, and keeps its run's folder until then."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

_BEGUN_BY = "SPARSEFRONT_BEGUN_BY"  # number of the process that began this one, and the file it locks
_LOOK_EVERY = 0.5  # seconds
_TO_SAVE = 60.0  # seconds that a process has to save what it has before it is killed
_OLD_CHILD = 90.0  # seconds that one of the process before may still take to end


def environment_of_child(lock: Path) -> dict[str, str]:
    """The variables by which a process of this project ends with this one.

    Args:
        lock: a file that it locks as long as it lives.
    """
    return {**os.environ, _BEGUN_BY: f"{os.getpid()}:{lock.absolute()}"}


def follow() -> None:
    """End with the process that began this one, if that asked for it; called before anything long is imported."""
    asked = os.environ.pop(_BEGUN_BY, None)  # this one's own children are of another parent
    if asked is None:
        return
    parent, _, lock = asked.partition(":")
    threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    _keep(Path(lock))


def _end_with(parent: int) -> None:
    """A thread looks who the parent is: a killed process tells its children nothing."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_TO_SAVE)
    os.kill(os.getpid(), signal.SIGKILL)


def _keep(file: Path) -> None:
    from filelock import FileLock, Timeout

    lock = FileLock(file)
    try:
        lock.acquire(timeout=_OLD_CHILD)
    except Timeout:
        said = f"`run_dir` must be written to by one run of a study at a time, found another in {file.parent}"
        print(f"sparsefront: error: {said}; wait for its end, or end it.", file=sys.stderr, flush=True)
        sys.exit(2)
    _kept.append(lock)


_kept: list[object] = []  # a lock that nobody holds on to would be released
