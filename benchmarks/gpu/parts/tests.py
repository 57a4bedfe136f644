"""Part 1: the tests that are marked `cuda`, on the device, in single, half and double precision."""

import importlib.util
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.gpu.outcomes import VARIABLE, read_outcomes
from benchmarks.gpu.part import Entry, Part
from benchmarks.gpu.where_from import ROOT

# By name: the precision, and what pytest chooses of the marked tests. Those of attacks are thousands of tiny calls.
RUNS = {
    "float32": ("float32", "not half_precision and not attack_contract"),
    "bfloat16": ("bfloat16", "half_precision"),
    "float16": ("float16", "half_precision"),
    "float32, attacks": ("float32", "attack_contract"),
    "float64": ("float64", "not half_precision"),
}
TOY = {
    "float32": ("float32", "Identity and keeps_the_contract"),
    "bfloat16": ("bfloat16", "Identity and half_precision"),
}
_WORKERS = 4  # where pytest-xdist is there: tests wait for launches more than for the device
_NOTHING_LEFT = 5  # pytest's exit code


def run(part: Part) -> None:
    """Run them in one precision after the other; what failed is a result, not an error."""
    for name, (dtype, chosen) in (TOY if part.options.toy else RUNS).items():
        part.do(name, partial(_run, part, name, dtype, chosen))


def marked_files() -> list[str]:
    """The files with such tests: others might need packages that are not there."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in files if "pytest.mark.cuda" in path.read_text(encoding="utf-8")]


def outcomes_file(folder: Path, name: str) -> Path:
    """Where the outcomes of a run lie until it is whole, line by line, so that no way of ending it loses them."""
    return folder / f"tests_{re.sub(r'[^a-z0-9]+', '_', name)}.jsonl"


def _run(part: Part, name: str, dtype: str, chosen: str, entry: Entry) -> None:
    lines = outcomes_file(part.options.out.absolute(), name)
    log = lines.with_suffix(".log")
    environment = {
        "SPARSEFRONT_TEST_DEVICE": part.options.device,
        "SPARSEFRONT_TEST_DTYPE": dtype,
        VARIABLE: str(lines),
    }
    try:
        with log.open("w") as output:
            code = _waited_for(_command(chosen, part.options.toy), os.environ | environment, output)
        if code not in (0, 1, _NOTHING_LEFT):
            raise RuntimeError(f"pytest ended with {code}: " + "\n".join(log.read_text().splitlines()[-15:]))
    finally:
        entry |= _summary(read_outcomes(lines))
    lines.unlink(missing_ok=True)
    log.unlink()
    print(f"  {name}: " + ", ".join(f"{entry[kind]} {kind}" for kind in ("passed", "failed", "skipped")), flush=True)


def _command(chosen: str, toy: bool) -> list[str]:
    files = marked_files()
    side_by_side = ["-n", str(_WORKERS)] if importlib.util.find_spec("xdist") and not toy else []
    # Warnings of other versions of packages than the project's are no failures.
    return [
        sys.executable, "-m", "pytest", *files, "-o", "addopts=", "-o", "filterwarnings=default", "-m", "cuda",
        "--import-mode=importlib", "-p", "benchmarks.gpu.outcomes", "-p", "no:cacheprovider", "-q", "--tb=short",
        "-k", chosen, *side_by_side,
    ]  # fmt: skip


def _waited_for(command: list[str], environment: dict[str, str], output: Any) -> int:
    """The exit code; killed where this process is asked to end: what it has noted by then stands."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        return process.wait()
    finally:
        process.kill()
        process.wait()


def _summary(outcomes: dict[str, dict[str, Any]]) -> Entry:
    counts = {
        kind: sum(one["outcome"] == kind for one in outcomes.values()) for kind in ("passed", "failed", "skipped")
    }
    return {
        **counts,
        "failures": {name: one["error"] or one["why"] for name, one in outcomes.items() if one["outcome"] == "failed"},
        "refused": {name: one["refused"] for name, one in outcomes.items() if "refused" in one},
    }
