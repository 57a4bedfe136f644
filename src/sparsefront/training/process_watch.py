"""Processes of one run end together: none waits for one that died, and a signal to one reaches all."""

import contextlib
import os
import socket
import threading
import time
from itertools import count
from typing import Any

import torch

from sparsefront.common import stopping
from sparsefront.training.ending import TICK, WAIT, give_up, say_gone, started
from sparsefront.training.signal_wakeup import SignalWakeup

SILENCE = 30.0  # seconds after which a process that shows no sign of life is gone

_numbers = count()
_watch: "_Watch | None" = None


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
    if (_watch or started) and any(word in f"{type(error).__name__} {error}".lower() for word in words):
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
        self._signals = SignalWakeup()

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
            give_up(self.rank)  # the others have ended at the signal, and this one waits for them

    def _hear_nothing_of(self, other: int, why: str) -> None:
        if stopping.asked() is not None:
            time.sleep(TICK)
            if not self._left.is_set():
                give_up(self.rank)
        who = "" if other == 0 else self._get("who", other)
        others = [rank for rank in range(self._processes) if rank != other]
        say_gone(other, who, why, speaks=self.rank == min(others))

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
