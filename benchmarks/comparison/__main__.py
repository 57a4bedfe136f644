"""`python -m benchmarks.comparison`: every front end before one trained classifier, in one table."""

import argparse
import csv
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from sparsefront.common.atomic_file import atomic_file, write_atomically
from sparsefront.report.plots import atoms_figure, interval_figure, panel_figure
from sparsefront.report.row import rows_of
from sparsefront.report.table import to_csv
from sparsefront.report.wide import to_wide_markdown
from sparsefront.results.run import Run, load_runs
from sparsefront.studies.separate_tests import separate_tests

HERE = Path(__file__).parent
FRAGMENTS = Path("lightning_configs/frontends")


def parse() -> tuple[argparse.Namespace, list[str]]:
    """Read the command line; what it does not know goes to `sparsefront test`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description=__doc__)
    parser.add_argument("--name", required=True, help="of the table, and of the folder of its runs")
    parser.add_argument("--setting", required=True, type=Path, help="YAML with data, classifier and attacks")
    parser.add_argument("--frontends", nargs="*", default=[], help="fragments' names; absent: all of them")
    parser.add_argument("--pictures", type=Path, help="folder for one picture a fragment, and one of its atoms")
    parser.add_argument("--quality", metavar="ATTACK", help="draw paper 002's Figure 6 under this attack, too")
    return parser.parse_known_args()


def main() -> None:
    """Test the front ends that have no results yet, then write the table over all that have."""
    options, more = parse()
    known = {path.stem for folder in (FRAGMENTS, _own(options.setting)) for path in folder.glob("*.yaml")}
    names = sorted(known & set(options.frontends or known), key=lambda name: (name != "identity", name))
    folders = {name: Path("runs/comparison") / options.name / name for name in names}
    failed = separate_tests({folder: [*_configs(options.setting, name), *more] for name, folder in folders.items()})
    done = {name: folder for name, folder in folders.items() if folder not in failed}
    runs = load_runs(list(done.values()), "test")
    _write(runs, options.name, options.setting.with_suffix(".csv"))
    for fragment, run in zip(done, runs, strict=True) if options.pictures else []:
        options.pictures.mkdir(parents=True, exist_ok=True)
        few = {name: array if name == "atoms" else array[:6] for name, array in run.images.items()}
        picture = panel_figure(few, [run.completed[0].name])
        # Several fragments may be of one class.
        picture.savefig(options.pictures / f"{fragment}.png", dpi=100)
        if "atoms" in run.images:
            atoms_figure(run.images["atoms"]).savefig(options.pictures / f"{fragment}_atoms.png", dpi=100)
    if options.quality:
        rows = [replace(row, system=run.folder.parent.name) for run in runs for row in rows_of(run)]
        with atomic_file(HERE / "results" / f"{options.name}.png") as drawing:
            interval_figure(rows, options.quality).savefig(drawing, dpi=100)


def _own(setting: Path) -> Path:
    """Settings of single front ends for this data, and variants of them."""
    return setting.with_suffix("")


def _configs(setting: Path, name: str) -> list[str]:
    fragments = [folder / f"{name}.yaml" for folder in (FRAGMENTS, _own(setting))]
    files = [Path("lightning_configs/base.yaml"), setting, *(path for path in fragments if path.is_file())]
    return [word for path in files for word in ("--config", str(path))]


def _write(runs: list[Run], name: str, published: Path) -> None:
    rows = {run.folder.parent.name: rows_of(run) for run in runs}
    command = shlex.join(["python", "-m", "benchmarks.comparison", *sys.argv[1:]])
    markdown = to_wide_markdown(rows, "front end")
    if published.is_file():
        markdown = with_published(markdown, published)
    write_atomically(HERE / "results" / f"{name}.md", f"`{command}`\n\n{markdown}")
    write_atomically(HERE / "results" / f"{name}.csv", to_csv([row for some in rows.values() for row in some]))


def with_published(markdown: str, published: Path) -> str:
    """The wide table with a paper's figures, from a CSV file with some of its columns, below ours."""
    ours, legend = markdown.split("\n\n", 1)
    columns = [cell.strip() for cell in ours.splitlines()[0].strip("|").split("|")]
    with published.open(newline="") as file:
        theirs = [[row.get(column, "") for column in columns] for row in csv.DictReader(file)]
    return "\n".join([ours, *(f"| {' | '.join(line)} |" for line in theirs), "", legend])


if __name__ == "__main__":
    main()
