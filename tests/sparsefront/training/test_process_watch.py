"""Processes end together, within a minute, whichever of them is stopped or killed, and wherever it is."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.small_command import BASE, LONG, PGD2

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")

TWO = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
COMMANDS = {
    "fit": ["fit", *BASE, *TWO, "--trainer.max_epochs", "100000"],
    "validation": ["fit", *BASE, *TWO, *LONG],
    "test": ["test", *BASE, *TWO, *PGD2, *LONG],
}
BEGUN = {
    "fit": "version_*/checkpoints/epoch*.ckpt",
    "validation": "version_*/checkpoints/last.ckpt",
    "test": "version_*/results/test_partial/about.json",
}


def started(what, weights=()):
    args = [sys.executable, "-m", "sparsefront.cli.command", *COMMANDS[what], *weights, "--run_dir", "run"]
    with Path("said.txt").open("w") as said:
        run = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=said)
    begun = time.monotonic()
    while not any(Path("run").glob(BEGUN[what])):
        assert run.poll() is None, Path("said.txt").read_text()[-3000:]
        assert time.monotonic() - begun < 200
        time.sleep(0.2)
    time.sleep(2)
    return run


def child_of(run):
    """The process of rank 1; there may be others, that load data."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        if path.read_text().rpartition(")")[2].split()[1] == str(run.pid):
            return int(path.parent.name)
    raise AssertionError("no other process")


def alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.parametrize("what", list(COMMANDS))
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_all_processes_end_within_a_minute_and_say_why(what, rank, signum):
    run = started(what)
    other = child_of(run)
    begun = time.monotonic()
    os.kill([run.pid, other][rank], signum)
    try:
        code = run.wait(60)
        while alive(other):
            assert time.monotonic() - begun < 60
            time.sleep(0.2)
    finally:
        run.kill()
        if alive(other):
            os.kill(other, signal.SIGKILL)
    said = Path("said.txt").read_text()
    if signum != signal.SIGKILL:
        assert code == 128 + signum
        assert len(re.findall(rf"(?m)^sparsefront: stopped by {signum.name}: .*go on with: sparsefront", said)) == 1
    else:
        assert code == (-signal.SIGKILL if rank == 0 else 1)
        assert len(re.findall(rf"(?m)^sparsefront: error: rank {rank} .*is gone.*go on with: sparsefront", said)) == 1
    assert "Traceback" not in said
