"""Work that takes long, and what whoever waits for it is shown."""

import os
import sys
import threading
import time
from typing import Any

from tqdm import tqdm

PATIENCE = 60.0  # seconds after which a log without a terminal gets another line


class LongWork:
    """One bar on a terminal that moves until the work ends; elsewhere a line now and then, and one at the end.

    A bar draws over itself, which fills a log with what nobody can read.

    Args:
        doing: what the bar says.
        shown: False says nothing, as on all processes but the first.
        patience: seconds between two lines where there is no terminal.
    """

    def __init__(self, doing: str, shown: bool = True, patience: float = PATIENCE) -> None:
        self.doing, self.shown, self.patience = doing, shown, patience
        self.start = self._said = time.monotonic()
        self._bar: Any = None
        self._ended = threading.Event()
        if shown and on_a_terminal():
            self._bar = tqdm(total=1.0, desc=doing, leave=False, dynamic_ncols=True, file=sys.stderr)
            self._form("")
            threading.Thread(target=self._tick, daemon=True).start()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.start

    def show(self, share: float, text: str, left: float | None = None) -> None:
        """Say how far it is.

        Args:
            share: of the work that is done; a bar never goes back.
            text: the same in words.
            left: seconds that it will still take, if that is known.
        """
        if not self.shown:
            return
        if self._bar is not None:
            self._bar.n = max(self._bar.n, min(share, 1.0))
            self._form(text, left)
            if time.monotonic() - self._said > 0.1:
                self._said = time.monotonic()
                self._bar.refresh()
        elif time.monotonic() - self._said > self.patience:
            self._said = time.monotonic()
            rest = "" if left is None else f", about {duration_in_words(left)} left"
            say(f"{self.doing}: {100 * share:.0f} %, {text}; {duration_in_words(self.elapsed)} so far{rest}")

    def close(self, *lines: str) -> None:
        """End; where there is no terminal, say these lines."""
        self._ended.set()
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        elif self.shown:
            for line in lines:
                say(line)
        self.shown = False

    def _form(self, text: str, left: float | None = None) -> None:
        rest = "" if left is None else f"<{duration_in_words(left)}"
        plain = text.replace("{", "{{").replace("}", "}}")
        self._bar.bar_format = f"{{desc}} {{percentage:3.0f}}%|{{bar}}| {plain} [{{elapsed}}{rest}]"

    def _tick(self) -> None:
        """Keep the time going while a single step takes long."""
        while not self._ended.wait(1.0):
            bar = self._bar
            if bar is not None:
                bar.refresh()


def on_a_terminal() -> bool:
    """Whether whoever waits looks at a terminal, one that knows its width."""
    try:
        return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):  # no descriptor, or one that has no width
        return False


def say(line: str) -> None:
    """A line on stderr, at once."""
    print(line, file=sys.stderr, flush=True)


def duration_in_words(seconds: float) -> str:
    """E.g. "12 s", "3:05", "1:02:03"."""
    return f"{seconds:.0f} s" if seconds < 59.5 else str(tqdm.format_interval(seconds))
