"""Commands in processes forked from this one, which has everything imported: a second in place of a quarter minute."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

from sparsefront.common import stopping


class Forked:
    """A process like `subprocess.Popen`'s that calls a function; what it returns or exits with is its exit code.

    Args:
        work: what it calls.
        said: the file that its output is appended to.
        group: whether it leads a process group of its own.
    """

    def __init__(self, work, said, group=True):
        self.returncode = None
        self.pid = os.fork()
        if self.pid == 0:
            _become(work, said, group)
        if group:
            with contextlib.suppress(OSError):
                os.setpgid(self.pid, self.pid)

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=None):
        begun = time.monotonic()
        while self.poll() is None:
            if timeout is not None and time.monotonic() - begun > timeout:
                raise subprocess.TimeoutExpired("forked", timeout)
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, signum):
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.wait()


def _become(work, said, group):
    """Never returns: nothing of the process it was forked from may go on in it."""
    code = 1
    try:
        if group:
            os.setpgid(0, 0)
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_DFL)
        vars(stopping._now).update(vars(stopping._State()))  # a program of its own would know of no signal
        file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
        code = work() or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


def popen(command, stdout=None, stderr=None, **_):
    """Stands for `subprocess.Popen` of `python -m sparsefront.cli.command WORDS`, in the group of who calls it."""
    from sparsefront.cli.command import main

    words = list(command[command.index("sparsefront.cli.command") + 1 :])

    def work():
        sys.argv = ["sparsefront", *words]
        main(words)

    return Forked(work, Path(stdout.name), group=False)
