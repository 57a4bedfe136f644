"""Signals that come while a command imports what it needs, which takes seconds."""

import os
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType

from sparsefront.common import begun_by

_COMMANDS = {
    "sparsefront.cli.command": "sparsefront",
    "sparsefront.cli.report": "sparsefront-report",
    "sparsefront.cli.study": "sparsefront-study",
    "sparsefront.cli.sweep": "sparsefront-sweep",
    "sparsefront.cli.demo": "make demo",
}
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def command_of(program: str, words: list[str]) -> str | None:
    """What the user called, None where this is no command of the project's.

    Args:
        program: `sys.argv[0]`.
        words: `sys.orig_argv`.
    """
    if Path(program).name in _COMMANDS.values():
        return shlex.join([Path(program).name, *words[words.index(program) + 1 :]] if program in words else [program])
    at = words.index("-m") + 1 if program == "-m" and "-m" in words[:-1] else 0
    name = _COMMANDS.get(words[at]) if at else None
    return f"{name} {shlex.join(words[at + 1 :])}".strip() if name else None


def begin() -> None:
    """End in one sentence from now on, if this process is a command of the project's and has no handlers yet."""
    if command_of(sys.argv[0] if sys.argv else "", sys.orig_argv) is None:
        return
    for signum in _SIGNALS:
        if signal.getsignal(signum) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(signum, _end)
    begun_by.follow()


def over() -> None:
    """What follows takes the signals itself."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGTERM) is _end:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(signum: int, _frame: FrameType | None) -> None:
    if os.environ.get("LOCAL_RANK", "0") == "0":
        command = command_of(sys.argv[0], sys.orig_argv) or _as_module()
        said = f"stopped by {signal.Signals(signum).name}: it had not begun; go on with: {command}"
        os.write(2, f"\n{command.split()[0]}: {said}\n".encode())
    os._exit(128 + signum)


def _as_module() -> str:
    return command_of("-m", sys.orig_argv) or "sparsefront"
