"""The start of a run's other processes on this machine, which are watched from then on."""

import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any

from lightning_fabric.strategies.launchers.subprocess_script import _set_num_threads_if_needed
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from sparsefront.common import stopping
from sparsefront.training.ending import TICK, WAIT, give_up, say_gone, started


# private in Lightning 2.6, as what it calls: a strategy starts its processes by this class alone
class WatchedLauncher(_SubprocessScriptLauncher):
    """Starts the other processes of this machine; if one ends early it is named, and all are ended.

    Lightning's own kills them all, itself included, without a word.
    """

    def launch(self, function: Any, *args: Any, trainer: Any = None, **kwargs: Any) -> Any:
        """Start the others, unless they are started, and run the function in this process."""
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
            started[:] = self.procs
            _StartedWatch(self.procs).start()
        _set_num_threads_if_needed(num_processes=self.num_processes)
        return function(*args, **kwargs)


class _StartedWatch(threading.Thread):
    """A thread that checks whether the processes that this one started have ended."""

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        super().__init__(daemon=True, name="child-watch")
        self.processes = processes

    def run(self) -> None:
        """Check until all have ended with exit code 0."""
        while any(process.poll() != 0 for process in self.processes):
            time.sleep(TICK)
            for rank, process in enumerate(self.processes, start=1):
                code = process.poll()
                if code and code - 128 in tuple(stopping.SIGNALS):
                    stopping.ask(code - 128)
                if code and stopping.asked() is not None:
                    time.sleep(WAIT + 5)
                    give_up(0)
                if code:
                    how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with {code}"
                    time.sleep(2)  # what all processes refuse is said by this one itself
                    say_gone(rank, f"process {process.pid}", how, speaks=True)
