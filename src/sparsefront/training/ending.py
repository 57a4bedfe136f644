"""How a process ends that cannot go on without another one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

from sparsefront.common import stopping

TICK = 0.5  # seconds between two looks at other processes
WAIT = 15.0  # seconds that a process has to end by itself once another has ended at the same signal

started: list[subprocess.Popen[bytes]] = []
"""The processes that this one has started, which end with it."""


def say_gone(rank: int, who: str, why: str, speaks: bool) -> NoReturn:
    """End this process with code 1 because another is gone.

    Args:
        rank: of the other.
        who: its machine and number, as far as they are known.
        why: a clause, how it was noticed.
        speaks: whether this process says so for all.
    """
    if speaks:
        number = f"rank {rank}" + (f" ({who})" if who else "")
        stopping.say(f"error: {number} is gone, {why}, and the others cannot go on without it")
    end_at_once(1)


def give_up(rank: int) -> NoReturn:
    """End this process at once: it waits within a step for others that have stopped."""
    stop = stopping.Stopped(stopping.asked() or signal.SIGTERM)
    if rank == 0:
        stopping.say(f"stopped by {stop.name}")
    end_at_once(stop.code)


def end_at_once(code: int) -> NoReturn:
    """End the processes that this one started, then this one, without waiting for its other threads."""
    for process in _alive():
        process.terminate()
    begun = time.monotonic()
    while any(True for _ in _alive()) and time.monotonic() - begun < 5:
        time.sleep(TICK / 5)
    for process in _alive():
        process.kill()
    sys.stderr.flush()
    os._exit(code)


def _alive() -> Iterator[subprocess.Popen[bytes]]:
    yield from (process for process in started if process.poll() is None)
