"""Word to whoever waits that a kernel is being compiled."""

import sys
from typing import Any

from numba.core import event

_OURS = ("sparsecode.", "sparsefront.")


class _Notice(event.Listener):
    """Says on a terminal what is compiled, once a kernel: those that it calls are compiled within. Numba locks."""

    def __init__(self) -> None:
        self._depth = 0
        self._told: set[str] = set()

    def on_start(self, event: Any) -> None:
        """Tell of the outermost kernel."""
        self._depth += 1
        kernel = event.data["dispatcher"].py_func
        ours = kernel.__module__.startswith(_OURS)
        if self._depth == 1 and ours and kernel.__qualname__ not in self._told and sys.stderr.isatty():
            self._told.add(kernel.__qualname__)
            where = event.data["dispatcher"].stats.cache_path
            print(f"Compiling {kernel.__module__}.{kernel.__qualname__}, once; kept in {where}.", file=sys.stderr)

    def on_end(self, event: Any) -> None:
        """Out again."""
        self._depth -= 1


def tell_of_compilation() -> None:
    """From now on, one line on stderr for each kernel of ours that is compiled, where that is a terminal."""
    event.register("numba:compile", _Notice())  # type: ignore[no-untyped-call]
