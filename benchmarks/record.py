"""Holding contests and keeping their results."""

import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.contest import Contest, flops_rate, hold
from sparsefront.common.atomic_file import write_atomically


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {torch.backends.cpu.get_cpu_capability()}"


def show(entry: dict[str, Any], console: Console) -> None:
    """Print one contest."""
    table = Table(title=f"{entry['path']}: {entry['setting']}", title_justify="left")
    for name in ("", "ms", "of the floor", "against", "times as fast", "asked"):
        table.add_column(name)
    for name, seconds in entry["seconds"].items():
        share = f"{entry['floor_seconds'] / seconds:.0%}" if entry["floor_seconds"] else ""
        row = [name, f"{1000 * seconds:.1f}", share]
        ratios = [ratio for ratio in entry["ratios"] if ratio["ours"] == name] or [None]
        for ratio in ratios:
            against = [ratio["rival"], f"{ratio['ratio']:.2f}", f"{ratio['goal']:g}"] if ratio else ["", "", ""]
            table.add_row(*(row if ratio is ratios[0] else ["", "", ""]), *against)
    console.print(table)
    for name, check in entry["checks"].items():
        console.print(f"  {'' if check['met'] else 'NOT MET: '}{name}: {check['value']:.4g}", highlight=False)


def n_threads(entry: dict[str, Any]) -> int:
    """Of torch, in a contest's results."""
    return int(entry["machine"].split(", ")[-1].removesuffix(" threads"))


def hold_all(
    module: str,
    paths: Sequence[str],
    contests: Callable[[str], Iterable[Contest]],
    results: Path,
    threads: int,
    packages: Sequence[str],
) -> None:
    """Hold the contests of every path and rewrite the results after each, so that a stop loses nothing.

    Args:
        module: that was run, for the command kept with the results.
        paths: to hold; their earlier results on as many threads are replaced, others stay.
        contests: of a path.
        results: the file.
        threads: of torch.
        packages: whose versions are kept.
    """
    torch.set_num_threads(threads)
    console, rate = Console(), flops_rate()
    done = json.loads(results.read_text())["contests"] if results.exists() else []
    for path in paths:
        done = [entry for entry in done if (entry["path"], n_threads(entry)) != (path, threads)]
        for contest in contests(path):
            entry = hold(contest, rate) | {
                "command": shlex.join(["python", "-m", module, *sys.argv[1:]]),
                "machine": f"{platform.system()} {platform.machine()}, {processor()}, {threads} threads",
                "gflops": round(rate / 1e9, 1),
                "load_average": os.getloadavg()[0],
                "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
            }
            done.append(entry)
            show(entry, console)
            write_atomically(results, json.dumps({"contests": done}, indent=1))
