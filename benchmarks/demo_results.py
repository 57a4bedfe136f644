"""`python -m benchmarks.demo_results`: what `make demo` found, into the documentation.

Copies the per-sample files of `runs/demo` to `docs/results/mnist5k_demo/`, writes `docs/results/mnist5k_demo.md`, and
puts the rows that the README shows in the place of those there.
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from sparsefront.cli.show_runs import write_table
from sparsefront.report import Row, load_runs, rows_of
from sparsefront.report.markdown import markdown_line
from sparsefront.report.table import HEADER, cells

RUNS, DOCS, README = Path("runs/demo"), Path("docs/results/mnist5k_demo"), Path("README.md")
COLUMNS = ("system", "attack", "adversary", "clean", "robust", "interval")
# Of the README's table: a chain's rows say what was left after each, so that a few of them tell it.
LEFT_OUT = re.compile(r"worst (white box|gray box|black box|L2|L1).*|quick\.(?!(apgd_ce|search)$).*")


def main() -> None:
    """Write all of it; run `make demo` before."""
    runs = load_runs([RUNS / f"mnist5k_{name}" for name in ("natural", "top_t")], "val")
    for name, run in zip(("natural", "top_t"), runs, strict=True):
        (DOCS / name).mkdir(parents=True, exist_ok=True)
        for file in ("val_attacks.json", "val_samples.csv"):
            shutil.copyfile(run.folder / "results" / file, DOCS / name / file)
    write_table(runs, DOCS.with_suffix(".md"))
    README.write_text(with_rows(README.read_text(encoding="utf-8"), [row for run in runs for row in rows_of(run)]))
    print(f"{DOCS.with_suffix('.md')}, {DOCS} and the table of {README}: compare the README's sentences with them.")


def with_rows(readme: str, rows: Sequence[Row]) -> str:
    """The README with these rows in its table of the demo.

    Raises:
        ValueError: there is no such table in it.
    """
    shown = [dict(zip(HEADER, cells(row), strict=True)) for row in rows if not LEFT_OUT.fullmatch(row.attack)]
    lines = "".join(f"{markdown_line([row[name] for name in COLUMNS])}\n" for row in shown)
    head = re.escape(f"| {' | '.join(COLUMNS)} |")
    table = re.compile(rf"({head}\n\|[-:|]+\|\n)(?:\|.*\n)+")
    found, number = table.subn(lambda match: match[1] + lines, readme)
    if number != 1:
        raise ValueError(f"{README} must have one table of the columns {', '.join(COLUMNS)}, found {number}.")
    return found


if __name__ == "__main__":
    main()
