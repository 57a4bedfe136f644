"""One system's turn: whatever is left to do of it."""

import shlex
import time
from collections.abc import Callable

from sparsefront.common.checkpoints.run_folder import has_checkpoint
from sparsefront.studies.record import begin_fit, begin_test, end_fit, end_test, goes_on, is_done, is_fitted
from sparsefront.studies.run_lock import InUseError, locked
from sparsefront.studies.separate_run import LOG, last_words, separate_run
from sparsefront.studies.system import System

Say = Callable[[str, str], None]
"""Called with a line and its end."""


def take_turn(system: System, say: Say, shown: bool = False) -> str:
    """Fit and test a system, as far as that is left to do.

    An interrupted fit goes on from its last checkpoint, an interrupted test from its rows.

    Args:
        system: whose needs are fitted.
        say: is told what is done.
        shown: whether what the commands print goes where this process prints, in place of the system's log.

    Returns:
        Why there are no results all the same; empty if there are.
    """
    if is_done(system):
        say(f"{system.name}: has its results", "\n")
        return ""
    if absent := [other.name for other in system.needs if not is_fitted(other)]:
        return f"it needs {absent[0]}, which is not fitted"
    try:
        with locked(system.folder):
            return _fit(system, say, shown) or _test(system, say, shown)
    except InUseError as error:
        return str(error)


def _fit(system: System, say: Say, shown: bool) -> str:
    if is_fitted(system):
        return ""
    last = ["--ckpt_path", "last"] if has_checkpoint(system.folder) else []
    begin_fit(system)
    if not _timed("fit", system, [*system.fit_arguments, *last], say, shown):
        return _why("fit", system)
    if not end_fit(system):
        return f"its fit ended before its end was reached; see {system.folder / LOG}"
    return ""


def _test(system: System, say: Say, shown: bool) -> str:
    if not system.test:
        return "" if is_done(system) else f"its fit left no whole results; see {system.folder / LOG}"
    weights = ["--ckpt_path", "last"] if system.fit else []
    rows = ["--evaluation.resume_from", str(system.folder)] if goes_on(system) else []
    begin_test(system)
    ended = _timed("test", system, [*system.arguments, *rows, *weights], say, shown)
    if rows and not ended and last_words(system.folder).startswith("`resume_from`"):
        # They are of other code, or of another machine.
        ended = _timed("test", system, [*system.arguments, *weights], say, shown)
    return "" if ended and end_test(system) else _why("test", system)


def _timed(verb: str, system: System, arguments: list[str], say: Say, shown: bool) -> bool:
    if shown:
        say(f"\n{system.name}: {shlex.join(['sparsefront', verb, *arguments])}", "\n")
        return separate_run(verb, system.folder, arguments, shown)
    say(f"{system.name}: {verb} ...", " ")
    start = time.monotonic()
    ended = separate_run(verb, system.folder, arguments)
    say(f"{'' if ended else 'failed after '}{time.monotonic() - start:.0f} s", "\n")
    return ended


def _why(verb: str, system: System) -> str:
    return f"its {verb} failed; see {system.folder / LOG} ({last_words(system.folder)})"
