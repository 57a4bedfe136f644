"""One `sparsefront` command in a process of its own."""

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sparsefront.common.stopping import poll

LOG = "log.txt"


def separate_run(verb: str, folder: Path, arguments: Sequence[str]) -> bool:
    """Run `sparsefront VERB` into a folder; it is neither slowed, filled nor stopped by what came before it.

    What it prints is added to the folder's `log.txt`, below the command.

    Args:
        verb: fit, validate, test or predict.
        folder: its `--run_dir`, made if it is not there.
        arguments: the others.

    Returns:
        Whether it came to a good end.
    """
    poll()
    folder.mkdir(parents=True, exist_ok=True)
    words = [verb, *arguments, "--run_dir", str(folder)]
    with (folder / LOG).open("a") as log:
        log.write(f"$ {shlex.join(['sparsefront', *words])}\n")
        log.flush()
        command = [
            sys.executable,
            "-P",
            "-m",
            "sparsefront.cli.command",
            *words,
        ]  # -P: not from the working folder first
        with subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as run:
            try:
                return run.wait() == 0
            except BaseException:
                _end(run)
                raise


def _end(run: subprocess.Popen[bytes]) -> None:
    """Let a run keep what it has, as it does when it is stopped itself; it gets a minute."""
    run.send_signal(signal.SIGTERM)  # whatever the signal was: a second SIGINT, after a terminal's, would be the last
    try:
        run.wait(60)
    except subprocess.TimeoutExpired:
        run.kill()


def last_words(folder: Path) -> str:
    """What the log says last of why: the sentence of a refusal, else its last line; empty if there is no log."""
    log = folder / LOG
    text = log.read_text(errors="replace") if log.is_file() else ""
    refused = re.findall(r"^sparsefront: error: (.+)$", text[text.rfind("\n$ ") + 1 :], flags=re.MULTILINE)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return str((refused or lines or [""])[-1])
