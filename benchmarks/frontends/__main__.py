"""`python -m benchmarks.frontends`: what each front end costs, one thread."""

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numpy import format_float_positional
from tqdm import tqdm

from benchmarks.record import processor
from sparsefront.common.atomic_file import write_atomically

HERE = Path(__file__).parent
SIZES = {"28x28x1": (1, 28, 28, 50), "32x32x3": (3, 32, 32, 50), "224x224x3": (3, 224, 224, 4)}
MINUTES = 4  # most, for one size of a front end


def main() -> None:
    """Measure the front ends asked for, each in a process of its own, and write the table over all measured so far."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frontends", description=__doc__)
    parser.add_argument("--frontends", nargs="*", default=[], help="fragments' names; absent: all of them")
    options = parser.parse_args()
    path = HERE / "results" / "costs.json"
    before = json.loads(path.read_text()) if path.exists() else {"costs": {}, "commands": []}
    done = before["costs"]
    commands = [*before["commands"], shlex.join(["python", "-m", "benchmarks.frontends", *sys.argv[1:]])]
    fragments = sorted(Path("lightning_configs/frontends").glob("*.yaml"))
    wanted = [fragment for fragment in fragments if not options.frontends or fragment.stem in options.frontends]
    for fragment in (shown := tqdm(wanted)):
        shown.set_postfix_str(fragment.stem)
        done[fragment.stem] = {name: _measured(fragment, sizes) for name, sizes in SIZES.items()}
        _write(path, commands, dict(sorted(done.items())))
    table = HERE / "results" / "costs.md"
    table.write_text(_table(done))


def _measured(fragment: Path, sizes: tuple[int, int, int, int]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.frontends.cost", str(fragment), *map(str, sizes)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, timeout=60 * MINUTES
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not learned and measured in {MINUTES} minutes"}
    if run.returncode:
        return {"error": run.stderr.strip().splitlines()[-1]}
    cost: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
    return cost | {"images": sizes[-1], "machine": f"{platform.system()} {platform.machine()}, {processor()}"}


def _write(path: Path, commands: list[str], costs: dict[str, Any]) -> None:
    about = {
        "commands": commands,  # later ones measured some again
        "versions": {name: version(name) for name in ("torch", "sparsefront")},
    }
    write_atomically(path, json.dumps(about | {"costs": costs}, indent=1))


def _table(costs: dict[str, Any]) -> str:
    lines = [
        "| front end | size | forward, ms an image | with gradient | mode | MB a batch, forward / gradient | on |",
        "|---|---|---:|---:|---|---:|---|",
    ]
    for name, of_size in sorted(costs.items()):
        for size, cost in of_size.items():
            if "error" in cost:
                lines.append(f"| {name} | {size} | no figure: {cost['error']} | | | | |")
                continue
            times = [f"{1000 * cost[kind]['seconds'] / cost['images']:.3g}" for kind in ("forward", "gradient")]
            memory = " / ".join(f"{cost[kind]['bytes'] / 2**20:.0f}" for kind in ("forward", "gradient"))
            cells = [name, size, *times, cost["mode"], f"{memory} of {cost['images']}", cost["machine"]]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def sentence(name: str, costs: dict[str, Any]) -> str:
    """What a page of `docs/frontends/` says of one fragment's costs, on one line."""
    known = {size: cost for size, cost in costs.items() if "error" not in cost}
    if not known:
        why = "; ".join(f"{cost['error']} at {size}" for size, cost in costs.items())
        return f"**Cost** of `{name}.yaml`: {why} ([how](../../benchmarks/frontends))."
    sizes = []
    for size, cost in known.items():
        forward, gradient = (
            format_float_positional(1000 * cost[kind]["seconds"] / cost["images"], 2, fractional=False, trim="-")
            for kind in ("forward", "gradient")
        )
        sizes.append(f"{forward} and {gradient} ms at {size}")
    size, cost = list(known.items())[-1]
    memory = " and ".join(f"{cost[kind]['bytes'] / 2**20:.0f}" for kind in ("forward", "gradient"))
    return (
        f"**Cost** of `{name}.yaml` for an image, forward and with the gradient of `{cost['mode']}`: "
        f"{', '.join(sizes)}; {cost['images']} of {size} need {memory} MB ([how](../../benchmarks/frontends))."
    )


if __name__ == "__main__":
    main()
