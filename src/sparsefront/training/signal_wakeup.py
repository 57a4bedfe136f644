"""Signals that a thread looks at, whatever the interpreter waits for."""

import contextlib
import os
import signal
import threading

from sparsefront.common import stopping


class SignalWakeup:
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
