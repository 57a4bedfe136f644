"""Do all that needs a GPU, the most worthwhile first, in a given time; the same call goes on where it stopped."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]  # a checkout will do; nothing need be installed

from benchmarks.gpu.options import Options  # noqa: E402  found by the line above
from benchmarks.gpu.packed import unpack_wheels  # noqa: E402

# Of the seconds that are left, what each part may take at first; what is over goes to those that were not finished.
SHARES = {"tests": 0.25, "cifar10": 0.65, "solvers": 0.6, "throughput": 1.0}
GRACE = 10.0  # seconds that a part has to end in
LEAST = 5.0  # seconds without which none is begun
LATE = 3
STATES = {0: "whole", LATE: "stopped, go on with the same call"}


def main() -> int:
    """Do the parts; return 0 if all are whole."""
    options = Options.parsed(sys.argv[1:], __doc__)
    for asked in (signal.SIGTERM, signal.SIGINT):  # a part ends with this
        signal.signal(asked, lambda signum, _frame: sys.exit(128 + signum))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as site:
        if options.packed is not None:
            unpack_wheels(options.packed, Path(site))
        sys.path.insert(0, site)
        before = filter(None, [os.environ.get("PYTHONPATH")])
        os.environ["PYTHONPATH"] = os.pathsep.join([site, str(ROOT / "src"), str(ROOT), *before])
        return do_all(options, sys.argv[1:])


def do_all(options: Options, arguments: list[str]) -> int:
    """Do every part in its share of the time that there is, then those that were stopped in what is left.

    Returns:
        0 if all are whole, else 1.
    """
    files = {name: options.out / f"{name}.json" for name in options.parts}
    codes = dict.fromkeys(options.parts, LATE)
    for share_of in (SHARES, dict.fromkeys(SHARES, 1.0)):
        for name in [name for name, code in codes.items() if code == LATE]:
            left = options.until - time.time() - GRACE
            if left >= LEAST:
                codes[name] = _do_part(name, arguments, max(LEAST, share_of[name] * left), files[name])
    for name, code in codes.items():
        print(f"{name}: {STATES.get(code, 'FAILED')}: {files[name]}")
    return 1 if any(codes.values()) else 0


def _do_part(name: str, arguments: list[str], seconds: float, file: Path) -> int:
    """Do a part in a process of its own, whose end it notes where the process could not; return its exit code."""
    from benchmarks.gpu.part_file import note_error

    until = time.time() + seconds
    # `-P`: no module is taken from the caller's folder, which its paths are relative to.
    command = [sys.executable, "-P", "-m", "benchmarks.gpu.part", name, *arguments, "--until", f"{until:.1f}"]
    print(f"== {name}, at most {seconds:.0f} s", flush=True)
    process = subprocess.Popen(command, process_group=0)
    late = False
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        late = True
    finally:
        code = _ended(process)
    if late and code == -signal.SIGTERM:  # before it could hear
        return LATE
    if late and code == -signal.SIGKILL:
        note_error(file, name, f"did not stop within {GRACE:g} s and was killed")
        return LATE
    if code not in (0, 1, LATE):
        note_error(file, name, f"ended with code {code}, see what it printed")
    return code


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Have a part write what it has found, then end it with all that it started; return its exit code."""
    try:
        process.terminate()  # it alone: it ends those that it started, whose end is no result
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())
