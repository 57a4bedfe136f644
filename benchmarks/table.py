"""`python -m benchmarks.table RESULTS.json`: a results file as a Markdown table."""

import json
import sys
from pathlib import Path
from typing import Any

HEAD = """| path | setting | ours | ms | share of the floor | against | times as fast | asked | quality |
|---|---|---|---:|---:|---|---:|---:|---|
"""


def table(contests: list[dict[str, Any]]) -> str:
    """One row for every ratio asked for; `quality` says whether every check of its contest was met."""
    rows = []
    for entry in contests:
        failed = [name for name, check in entry["checks"].items() if not check["met"]]
        for ratio in entry["ratios"]:
            seconds = entry["seconds"][ratio["ours"]]
            share = f"{entry['floor_seconds'] / seconds:.0%}" if entry["floor_seconds"] else ""
            cells = [
                entry["path"], entry["setting"], ratio["ours"], f"{1000 * seconds:.1f}", share, ratio["rival"],
                f"{ratio['ratio']:.2f}", f"{ratio['goal']:g}", "; ".join(failed) or "met",
            ]  # fmt: skip
            rows.append("| " + " | ".join(cells) + " |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text())["contests"]), end="")
