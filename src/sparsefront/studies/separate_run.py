"""One `sparsefront` command in a process of its own."""

import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from sparsefront.common import stopping
from sparsefront.common.begun_by import environment_of_child
from sparsefront.studies.run_lock import InUseError, locked
from sparsefront.studies.slurm_allocation import no_task

LOG = "log.txt"
_LOCK = ".run.lock"  # kept by the process itself, which may outlive who began it by a minute
_TO_SAVE = 60.0  # seconds that a process has to save what it has before it is killed
_running: set[subprocess.Popen[bytes]] = set()
_closing = threading.Event()


def separate_run(verb: str, folder: Path, arguments: Sequence[str], shown: bool = False) -> bool:
    """Run `sparsefront VERB` into a folder; it is neither slowed, filled nor stopped by what came before it.

    What it prints is added to the folder's `log.txt`, below the command. It ends when this process ends, were that
    killed.

    Args:
        verb: fit, validate, test or predict.
        folder: its `--run_dir`, made if it is not there.
        arguments: the others.
        shown: whether what it prints goes where this process prints, in place of the log.

    Returns:
        Whether it came to a good end. False, with a sentence in the log, where another process writes to the folder.
    """
    if _closing.is_set():
        return False
    if threading.current_thread() is threading.main_thread():
        stopping.poll()
    folder.mkdir(parents=True, exist_ok=True)
    words = [verb, *arguments, "--run_dir", str(folder)]
    with (folder / LOG).open("a") as log:
        log.write(f"$ {shlex.join(['sparsefront', *words])}\n")
        log.flush()
        try:
            with locked(folder):
                return _run(words, folder, None if shown else log)
        except InUseError as error:
            log.write(f"sparsefront: error: {error}\n")
            return False


def _run(words: Sequence[str], folder: Path, log: TextIO | None) -> bool:
    command = [sys.executable, "-P", "-m", "sparsefront.cli.command", *words]  # -P: not from the working folder first
    environment = no_task(environment_of_child(folder / _LOCK))
    with subprocess.Popen(command, stdout=log, stderr=log, env=environment) as run:
        _running.add(run)
        try:
            return run.wait() == 0
        except BaseException:
            _end([run])
            raise
        finally:
            _running.discard(run)


def end_all() -> None:
    """Let every run that other threads wait for keep what it has, as it does when it is stopped itself, and end.

    No other is begun by this process until `open_again`.
    """
    _closing.set()
    _end(list(_running))


def open_again() -> None:
    """Runs may be begun once more: those of an interrupted study have ended."""
    _closing.clear()


def _end(runs: Sequence[subprocess.Popen[bytes]]) -> None:
    """They get a minute."""
    for run in runs:
        # Whatever the signal was: a second SIGINT, after a terminal's, would be the last.
        run.send_signal(signal.SIGTERM)
    for run in runs:
        try:
            run.wait(_TO_SAVE)
        except subprocess.TimeoutExpired:
            run.kill()


def last_words(folder: Path) -> str:
    """What the log says last of why: the sentence of a refusal, else its last line; empty if there is no log."""
    log = folder / LOG
    text = log.read_text(errors="replace") if log.is_file() else ""
    refused = re.findall(r"^sparsefront: error: (.+)$", text[text.rfind("\n$ ") + 1 :], flags=re.MULTILINE)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return str((refused or lines or [""])[-1])
