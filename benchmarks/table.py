"""`python -m benchmarks.table RESULTS.json`: a results file as a Markdown table."""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.record import n_threads

TABLE = "| path | setting |"  # how one begins
HEAD = """| path | setting | threads | ours | ms |{} share of the floor | against | times as fast | asked | quality |
|---|---|---:|---|---:|{}---:|---|---:|---:|---|
"""


def table(contests: list[dict[str, Any]]) -> str:
    """One row for every ratio asked for; `quality` says whether every check of its contest was met.

    Where a contest names the unit of its signals, there is a column of how many a second.
    """
    unit = next((entry["unit"] for entry in contests if "unit" in entry), "")
    rows = []
    for entry in contests:
        failed = [name for name, check in entry["checks"].items() if not check["met"]]
        for ratio in entry["ratios"]:
            seconds = entry["seconds"][ratio["ours"]]
            share = f"{entry['floor_seconds'] / seconds:.0%}" if entry["floor_seconds"] else ""
            pace = [f"{entry['signals'] / seconds:.3g}" if "unit" in entry else ""] if unit else []
            cells = [
                entry["path"], entry["setting"], str(n_threads(entry)), ratio["ours"], f"{1000 * seconds:.1f}", *pace,
                share, ratio["rival"], f"{ratio['ratio']:.2f}", f"{ratio['goal']:g}", "; ".join(failed) or "met",
            ]  # fmt: skip
            rows.append("| " + " | ".join(cells) + " |\n")
    return HEAD.format(*((f" {unit}/s |", "---:|") if unit else ("", ""))) + "".join(rows)


def tables(contests: list[dict[str, Any]]) -> str:
    """The table of ratios, and for each path that asks for none a table of its qualities."""
    without = [entry for entry in contests if not entry["ratios"]]
    paths = dict.fromkeys(entry["path"] for entry in without)
    of_paths = [qualities([entry for entry in without if entry["path"] == path]) for path in paths]
    return "\n".join([table(contests), *filter(None, of_paths)])


def qualities(contests: list[dict[str, Any]]) -> str:
    """A row for everyone who ran in some contests: their checks, called `WHAT, WHO`, in columns WHAT."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for entry in contests:
        for name, check in entry["checks"].items():
            what, _, who = name.rpartition(", ")
            mark = "" if check["met"] else " (not met)"
            rows.setdefault((entry["setting"], who), {})[what] = f"{check['value']:.4g}{mark}"
    if not rows:
        return ""
    columns = list(dict.fromkeys(what for cells in rows.values() for what in cells))
    lines = [["setting", "who", *columns], ["---", "---", *("---:" for _ in columns)]]
    lines += [[*key, *(cells.get(what, "") for what in columns)] for key, cells in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    print(tables(json.loads(Path(sys.argv[1]).read_text())["contests"]), end="")
