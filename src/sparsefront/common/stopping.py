"""Signals that ask a command to end: when they are looked at, and what is said."""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn

from sparsefront.common import starting

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
AGAIN = 5.0  # seconds after which `Stopped` is raised once more, should a library have swallowed it
PATIENCE = 10.0  # seconds that a step of an evaluation may take to come to its end


class Stopped(BaseException):
    """A signal asked this process to end; no `Exception`, so that nothing takes it for a failed attack.

    Args:
        signum: the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum

    @property
    def code(self) -> int:
        """The exit code, as a shell gives it: 143 for SIGTERM, 130 for SIGINT."""
        return 128 + self.signum

    @property
    def name(self) -> str:
        """SIGTERM, SIGINT ..."""
        return signal.Signals(self.signum).name


@dataclass
class _State:
    process: int = 0  # whose signals these are; those that it forks for its data are ended by it
    depth: int = 0
    asked: int | None = None
    heard: int | None = None  # by this process's own handler
    careful: bool = False  # the signal waits for `poll`
    patience: float | None = None  # for so many seconds, where no more than a batch of attacks can be lost
    kept: str = "nothing is kept of it yet"
    more: Sequence[str] = field(default_factory=tuple)  # arguments of the command that goes on
    program: str = ""
    arguments: Sequence[str] = field(default_factory=tuple)


_now = _State()


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, a signal raises `Stopped`: at once while a command starts, at the next `poll` where care is taken."""
    if threading.current_thread() is not threading.main_thread() or _now.depth:
        yield
        return
    starting.over()
    vars(_now).update(vars(_State(process=os.getpid(), depth=1)))
    # What is ignored already stays so: `nohup` has a run outlive its terminal.
    heard = [signum for signum in SIGNALS if signal.getsignal(signum) is not signal.SIG_IGN]
    before = {signum: signal.signal(signum, _ask) for signum in heard}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, _out_of_patience)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for signum, handler in before.items():
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)
        _now.depth = 0


@contextmanager
def command(program: str, arguments: Sequence[str], kept: str = "nothing is kept of it yet") -> Iterator[None]:
    """Inside runs a command; stopped, it says in one sentence what is kept and how to go on, and exits.

    The exit code is the signal's: 143 for SIGTERM, 130 for SIGINT.

    Args:
        program: its name.
        arguments: what it was called with.
        kept: a clause, what is kept of its work until it says otherwise with `keep_in_mind`.
    """
    with stoppable():
        care_less()
        keep_in_mind(kept)
        before = _now.program, _now.arguments
        _now.program, _now.arguments = program, arguments
        try:
            yield
        except Stopped as stop:
            signal.setitimer(signal.ITIMER_REAL, 0)
            _say_and_exit(stop)
        except Exception:
            if (signum := asked()) is None:
                raise
            # What a process that was told to end leaves behind in those that worked with it.
            _say_and_exit(Stopped(signum))
        finally:
            _now.program, _now.arguments = before


def adopt() -> None:
    """This process is one that was forked to work, and its signals are its own."""
    _now.process = os.getpid()


def listen_to(signum: int) -> None:
    """Take one more signal for one of these, until the end of the command."""
    if _now.depth and signum not in SIGNALS and threading.current_thread() is threading.main_thread():
        signal.signal(signum, _ask)


def asked() -> int | None:
    """The signal that asked this process to end, if one has."""
    return _now.asked if _now.process == os.getpid() else None


def ask(signum: int) -> None:
    """Have the next `poll` raise; what another process was told holds for this one."""
    _now.asked = _now.asked or signum


def poll() -> None:
    """Raise `Stopped` if a signal has asked for it; to be called where what is done so far is whole."""
    signum = asked()
    if _now.depth and signum is not None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise Stopped(signum)


def polled(model: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which looks at the signals before each call."""

    def run(*args: Any, **kwargs: Any) -> Any:
        poll()
        return model(*args, **kwargs)

    return run


def take_care(patience: float | None = None) -> None:
    """From here on signals wait for `poll`, at most for so many seconds where it is given."""
    _now.careful, _now.patience = True, patience


def care_less() -> None:
    """From here on signals stop at once."""
    _now.careful, _now.patience = False, None
    poll()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside, signals wait, however long it takes: something is written."""
    before = _now.careful, _now.patience
    take_care()
    try:
        yield
    finally:
        _now.careful, _now.patience = before
        if _now.asked is not None and _now.patience is not None:
            signal.setitimer(signal.ITIMER_REAL, _now.patience)


def keep_in_mind(kept: str, *more: str) -> None:
    """What to say at a stop from here on.

    Args:
        kept: a clause, what is kept of the work.
        more: arguments with which the same command goes on from it.
    """
    _now.kept, _now.more = kept, more


def say(what: str) -> None:
    """Say in one sentence what ends the command, what is kept of its work, and how to go on."""
    words = f"{_now.program} {shlex.join(going_on(_now.arguments, _now.more))}".strip()
    then = f": {_now.kept}; go on with: {words}" if _now.program else "."
    print(f"\n{_now.program or 'sparsefront'}: {what}{then}", file=sys.stderr, flush=True)


def _say_and_exit(stop: Stopped) -> NoReturn:
    if _first_process():
        say(f"stopped by {stop.name}")
    raise SystemExit(stop.code)


def _first_process() -> bool:
    """Whether this process speaks for all: what Lightning says, if it is imported."""
    if "pytorch_lightning.utilities" not in sys.modules:
        return os.environ.get("LOCAL_RANK", "0") == "0"
    from pytorch_lightning.utilities import rank_zero_only

    return bool(getattr(rank_zero_only, "rank", 0) == 0)


def going_on(arguments: Sequence[str], more: Sequence[str]) -> list[str]:
    """The arguments with some in the place of those of the same name."""
    names = tuple(word for word in more if word.startswith("--"))
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        if word in names:
            next(words, None)
        elif not word.startswith(tuple(f"{name}=" for name in names)):
            kept.append(word)
    return [*kept, *more]


def _ask(signum: int, _frame: FrameType | None) -> None:
    if _now.process != os.getpid():
        return  # one that loads data; who forked it ends it
    if signum == signal.SIGINT and _now.heard == signum:
        os.write(2, b"\nstopped at once: what was being saved is not.\n")
        os._exit(128 + signum)
    first, _now.heard = _now.heard is None, _now.heard or signum  # others may have asked before
    if not first:
        return
    ask(signum)
    if not _now.careful:
        signal.setitimer(signal.ITIMER_REAL, AGAIN)
        raise Stopped(_now.asked or signum)
    if _now.patience is not None:
        signal.setitimer(signal.ITIMER_REAL, _now.patience)


def _out_of_patience(_signum: int, _frame: FrameType | None) -> None:
    if _now.asked is None or _now.process != os.getpid():
        return
    if _now.careful and _now.patience is None:
        signal.setitimer(signal.ITIMER_REAL, 1.0)  # something is written; the step after it is given up
        return
    signal.setitimer(signal.ITIMER_REAL, AGAIN)
    raise Stopped(_now.asked)
