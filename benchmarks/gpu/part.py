"""`python -m benchmarks.gpu.part NAME ...`: one part of `run_all`, in a process of its own.

Exit codes: 0, nothing is left to do; 1, an entry or the part failed; 3, time was up.
"""

import importlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch

from benchmarks.gpu.options import Options
from benchmarks.gpu.part_file import OtherResultsError, PartFile, note_error
from benchmarks.gpu.pictures import Pictures
from benchmarks.gpu.rates import Rates
from benchmarks.gpu.where_from import where_from
from sparsefront.common import stopping

DONE, FAILED, LATE = 0, 1, 3
Entry = dict[str, Any]


class Part:
    """A part that is being done.

    Args:
        options: of the call.
        file: its results.

    Attributes:
        device: that it is about.
    """

    def __init__(self, options: Options, file: PartFile) -> None:
        self.options, self.file = options, file
        self.device = torch.device(options.device)

    @cached_property
    def rates(self) -> Rates:
        """The device's ceilings: those that the file notes, measured where it notes none."""
        if "rates" not in self.file.facts:
            self.file.facts["rates"] = Rates.measured(self.device, self.options.toy).written()
        return Rates.read(self.file.facts["rates"])

    def pictures(self, use: str, found: Pictures) -> Pictures:
        """The same pictures, which the file notes by their use.

        Raises:
            OtherResultsError: an earlier call used others.
        """
        noted = self.file.facts.setdefault(f"{use}_sha256", found.sha256())
        if noted != found.sha256():
            raise OtherResultsError(f"`--out` must be a folder of results on these pictures, found others ({use}).")
        return found

    def do(self, name: str, work: Callable[[Entry], None]) -> None:
        """Do one entry unless it is whole; an error is noted in it, and the next one's turn comes.

        Args:
            name: of the entry.
            work: fills the entry, which holds what an interrupted call has kept of it (`keep`).

        Raises:
            Stopped: time is up; what the entry holds by then is kept.
        """
        entry = self.file.entries.get(name, {})
        if entry.get("whole"):
            return
        stopping.poll()
        print(f"{self.file.facts['part']}: {name}", flush=True)
        entry.pop("error", None)
        commits = entry.setdefault("commits", [])
        if self.file.facts["commit"] not in commits:
            commits.append(self.file.facts["commit"])
        self.keep(name, entry)  # so that what its work leaves elsewhere is known to be its own
        before, start = entry.get("seconds", 0.0), time.monotonic()
        try:
            work(entry)
            entry["whole"] = True
        except Exception as error:
            traceback.print_exc()
            entry["error"] = f"{type(error).__name__}: {error}"
        finally:
            entry["seconds"] = round(before + time.monotonic() - start, 2)
            self.keep(name, entry)

    def keep(self, name: str, entry: Entry) -> None:
        """Write what an entry holds so far."""
        self.file.entries[name] = entry
        with stopping.undisturbed():
            self.file.write()


def do_part(options: Options, name: str) -> int:
    """Do what is left of a part until time is up; return the exit code."""
    file = PartFile(options.out / f"{name}.json", where_from(options, name))
    late = threading.Timer(options.until - time.time(), os.kill, (os.getpid(), signal.SIGTERM))
    late.daemon = True
    error = None
    with stopping.stoppable():  # until all is written: time may be up here and in the parent at once
        try:
            stopping.care_less()
            late.start()
            importlib.import_module(f"benchmarks.gpu.parts.{name}").run(Part(options, file))
        except stopping.Stopped:
            file.write()
            return LATE
        except Exception as raised:
            traceback.print_exc()
            error = f"{type(raised).__name__}: {raised}"
        finally:
            late.cancel()
        with stopping.undisturbed():
            file.write(whole=error is None, error=error)
    return FAILED if error or any("error" in entry for entry in file.entries.values()) else DONE


def main() -> int:
    """Do the part that the first argument names; what kept it from beginning is noted in its file."""
    name, options = sys.argv[1], Options.parsed(sys.argv[2:], __doc__)
    try:
        return do_part(options, name)
    except OtherResultsError as error:  # which stay as they are
        print(f"{name}: {error}", flush=True)
        return FAILED
    except Exception as error:
        traceback.print_exc()
        note_error(options.out / f"{name}.json", name, f"{type(error).__name__}: {error}")
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
