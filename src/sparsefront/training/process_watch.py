"""Processes of one run end together: none waits for one that died, and a signal to one reaches all."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, NoReturn

import torch
from lightning_fabric.strategies.launchers.subprocess_script import _set_num_threads_if_needed
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from sparsefront.common import stopping

TICK = 0.5  # seconds between two looks
SILENCE = 30.0  # seconds after which a process that shows no sign of life is gone
WAIT = 15.0  # seconds that a process has to end by itself once another has ended at the same signal

_numbers = count()
_watch: "_Watch | None" = None
_children: "_Children | None" = None


def begin(rank: int, processes: int) -> None:
    """Watch the other processes of this run from now on; all of them call it, in the same order."""
    global _watch
    if processes > 1 and _watch is None and torch.distributed.is_initialized():
        # private in torch 2.15: the group's own store, for which no address or port has to be agreed on
        store = torch.distributed.distributed_c10d._get_default_store().clone()
        _watch = _Watch(store, rank, processes, next(_numbers))
        _watch.start()


def end() -> None:
    """End this process's watch; the first process waits for the others, which read each other's state through it."""
    global _watch
    if _watch is not None:
        _watch.leave()
        _watch = None


def wait_for_news(error: BaseException) -> None:
    """After an error that a lost process may have caused, wait for the watch to name that process and end this one."""
    words = ("gloo", "nccl", "connection", "peer", "socket", "store")
    if (_watch or _children) and any(word in f"{type(error).__name__} {error}".lower() for word in words):
        time.sleep(SILENCE + 5)


class _Watch(threading.Thread):
    """A thread that shows the other processes that this one lives, and checks that they do."""

    def __init__(self, store: Any, rank: int, processes: int, number: int) -> None:
        super().__init__(daemon=True, name="process-watch")
        self._store, self.rank, self._processes = store, rank, processes
        self._prefix = f"sparsefront/{number}"
        self._left = threading.Event()
        self._seen = {other: ("", time.monotonic()) for other in range(processes) if other != rank}
        self._ended_since: float | None = None
        self._set("who", f"{socket.gethostname()}, process {os.getpid()}")
        self._signals = _Wakeup()

    def _set(self, key: str, value: str, rank: int | None = None) -> None:
        self._store.set(f"{self._prefix}/{key}/{self.rank if rank is None else rank}", value)

    def _get(self, key: str, rank: int) -> str:
        name = f"{self._prefix}/{key}/{rank}"
        return self._store.get(name).decode() if self._store.check([name]) else ""

    def run(self) -> None:
        """Look every `TICK` seconds until `leave` is called."""
        for beat in count():
            if self._left.wait(TICK):
                return
            try:
                self._look(beat)
            except (RuntimeError, OSError):
                if not self._left.is_set():
                    self._hear_nothing_of(0, "it no longer answers")

    def _look(self, beat: int) -> None:
        for arrived in self._signals.arrived():
            stopping.ask(arrived)
        if (signum := stopping.asked()) is not None:
            self._set("stop", str(signum))
        self._set("beat", str(beat))
        for other, (last, since) in self._seen.items():
            if told := self._get("stop", other):
                stopping.ask(int(told))
            if self._get("end", other):
                self._ended_since = self._ended_since or time.monotonic()
                continue
            now = self._get("beat", other)
            if now != last:
                self._seen[other] = now, time.monotonic()
            elif time.monotonic() - since > SILENCE:
                self._hear_nothing_of(other, f"it has shown no sign of life for {SILENCE:.0f} seconds")
        waited = self._ended_since is not None and time.monotonic() - self._ended_since > WAIT
        if waited and stopping.asked() is not None:
            _give_up(self.rank)  # the others have ended at the signal, and this one waits for them

    def _hear_nothing_of(self, other: int, why: str) -> None:
        if stopping.asked() is not None:
            time.sleep(TICK)
            if not self._left.is_set():
                _give_up(self.rank)
        who = "" if other == 0 else self._get("who", other)
        others = [rank for rank in range(self._processes) if rank != other]
        _say_gone(other, who, why, speaks=self.rank == min(others))

    def leave(self) -> None:
        """Tell the others that this process has ended its work, and stop the thread."""
        with contextlib.suppress(RuntimeError, OSError):
            if (signum := stopping.asked()) is not None:
                self._set("stop", str(signum))
            self._set("end", "1")
            begun = time.monotonic()
            while self.rank == 0 and time.monotonic() - begun < SILENCE:
                if all(self._get("end", other) for other in self._seen):
                    break
                time.sleep(TICK / 5)
        self._left.set()
        self.join(5)
        self._signals.close()


class _Wakeup:
    """Signals that arrived, also while the interpreter waits in a collective operation and runs no handler."""

    def __init__(self) -> None:
        self._open = threading.current_thread() is threading.main_thread()
        if self._open:
            self._read, self._write = os.pipe()
            os.set_blocking(self._read, False)
            os.set_blocking(self._write, False)
            self._before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def arrived(self) -> list[int]:
        """The signals since the last call that stop a command."""
        if not self._open:
            return []
        with contextlib.suppress(BlockingIOError):
            return [signum for signum in os.read(self._read, 64) if signum in stopping.SIGNALS]  # the ignored wake none
        return []

    def close(self) -> None:
        """Give the wake-up descriptor back that was set before."""
        if self._open:
            self._open = False
            signal.set_wakeup_fd(self._before)
            os.close(self._read)
            os.close(self._write)


# private in Lightning 2.6, as what it calls: a strategy starts its processes by this class alone
class Launcher(_SubprocessScriptLauncher):
    """Starts the other processes of this machine; if one ends early it is named, and all are ended.

    Lightning's own kills them all, itself included, without a word.
    """

    def launch(self, function: Any, *args: Any, trainer: Any = None, **kwargs: Any) -> Any:
        """Start the others, unless they are started, and run the function in this process."""
        global _children
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
            _children = _Children(self.procs)
            _children.start()
        _set_num_threads_if_needed(num_processes=self.num_processes)
        return function(*args, **kwargs)


class _Children(threading.Thread):
    """A thread that checks whether the processes that this one started have ended."""

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        super().__init__(daemon=True, name="child-watch")
        self.processes = processes

    def run(self) -> None:
        """Check until all have ended with exit code 0."""
        while any(process.poll() != 0 for process in self.processes):
            time.sleep(TICK)
            for rank, process in enumerate(self.processes, start=1):
                code = process.poll()
                if code and code - 128 in tuple(stopping.SIGNALS):
                    stopping.ask(code - 128)
                if code and stopping.asked() is not None:
                    time.sleep(WAIT + 5)
                    _give_up(0)
                if code:
                    how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with {code}"
                    time.sleep(2)  # what all processes refuse is said by this one itself
                    _say_gone(rank, f"process {process.pid}", how, speaks=True)


def _say_gone(rank: int, who: str, why: str, speaks: bool) -> NoReturn:
    if speaks:
        number = f"rank {rank}" + (f" ({who})" if who else "")
        stopping.say(f"error: {number} is gone, {why}, and the others cannot go on without it")
    _end_at_once(1)


def _give_up(rank: int) -> NoReturn:
    """End this process at once: it waits within a step for others that have stopped."""
    stop = stopping.Stopped(stopping.asked() or signal.SIGTERM)
    if rank == 0:
        stopping.say(f"stopped by {stop.name}")
    _end_at_once(stop.code)


def _end_at_once(code: int) -> NoReturn:
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
    yield from (process for process in (_children.processes if _children else ()) if process.poll() is None)
