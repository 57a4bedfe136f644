"""`python -m benchmarks.comparison`: every front end before one trained classifier, in one table."""

import argparse
import csv
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sparsefront.cli.dry_run.check import check
from sparsefront.cli.side_by_side import add_worker_arguments, run_by, workers_of
from sparsefront.common.atomic_file import atomic_file, write_atomically
from sparsefront.figures.atoms import atoms_figure
from sparsefront.figures.panel import panel_figure
from sparsefront.report.plots import interval_figure
from sparsefront.report.remarks import remarks
from sparsefront.report.row import rows_of
from sparsefront.report.table import to_csv
from sparsefront.report.wide import to_wide_markdown
from sparsefront.results.run import Run, load_runs
from sparsefront.studies.finished import has_results
from sparsefront.studies.study import Study
from sparsefront.studies.system import Layer, System

HERE = Path(__file__).parent
FRAGMENTS = Path("lightning_configs/frontends")


def parse() -> tuple[argparse.Namespace, list[str]]:
    """Read the command line; what it does not know goes to `sparsefront test`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description=__doc__)
    parser.add_argument("--name", required=True, help="of the table, and of the folder of its runs")
    parser.add_argument("--setting", required=True, type=Path, help="YAML with data, classifier and attacks")
    parser.add_argument("--frontends", nargs="*", default=[], help="fragments to test; absent: all of them")
    parser.add_argument("--pictures", type=Path, help="folder for one picture a fragment, and one of its atoms")
    parser.add_argument("--quality", metavar="ATTACK", help="draw paper 002's Figure 6 under this attack, too")
    add_worker_arguments(parser)
    return parser.parse_known_args()


def main() -> None:
    """Test the front ends that have no results yet, then write the table over all that have."""
    options, more = parse()
    study = comparison(options.name, options.setting, options.frontends, more)
    try:
        workers = workers_of(options, study)
        study.check(study.systems, check)
    except ValueError as error:
        sys.exit(f"benchmarks.comparison: {error}")
    failed = run_by(workers, options, study.systems)
    known = comparison(options.name, options.setting).systems
    done = {system.name: system.folder for system in known if has_results(system.folder)}
    runs = load_runs(list(done.values()), "test")
    _write(runs, options.name, options.setting.with_suffix(".csv"))
    for fragment, run in zip(done, runs, strict=True) if options.pictures else []:
        _draw(run, fragment, options.pictures)
    if options.quality:
        rows = [replace(row, system=run.folder.parent.name) for run in runs for row in rows_of(run)]
        with atomic_file(HERE / "results" / f"{options.name}.png") as drawing:
            interval_figure(rows, options.quality).savefig(drawing, dpi=100)
    for name, why in failed.items():
        print(f"{name} has no results: {why}", file=sys.stderr)


def comparison(name: str, setting: Path, frontends: Sequence[str] = (), more: Sequence[str] = ()) -> Study:
    """A study with a system for each front end, which is tested before the setting's classifier.

    Args:
        name: of the folder of its runs.
        setting: YAML with data, classifier and attacks; settings of single front ends are in the folder of its name.
        frontends: fragments' names; empty for all.
        more: further arguments of `sparsefront test`.
    """
    folder = Path("runs/comparison") / name
    known = {path.stem for home in (FRAGMENTS, _own(setting)) for path in home.glob("*.yaml")}
    names = sorted(known & set(frontends or known), key=lambda name: (name != "identity", name))
    systems = [System(one, folder / one, _layers(setting, one), tuple(more), fit=False, home=folder) for one in names]
    return Study(folder, tuple(systems))


def _own(setting: Path) -> Path:
    """Settings of single front ends for this data, and variants of them."""
    return setting.with_suffix("")


def _layers(setting: Path, name: str) -> tuple[Layer, ...]:
    fragments = [folder / f"{name}.yaml" for folder in (FRAGMENTS, _own(setting))]
    files = [Path("lightning_configs/base.yaml"), setting, *(path for path in fragments if path.is_file())]
    return tuple(Layer.of_file(path) for path in files)


def _draw(run: Run, fragment: str, folder: Path) -> None:
    """Several fragments may be of one class: the pictures are called like them."""
    folder.mkdir(parents=True, exist_ok=True)
    few = {name: array if name == "atoms" else array[:6] for name, array in run.images.items()}
    panel_figure(few, [run.completed[0].name]).savefig(folder / f"{fragment}.png", dpi=100)
    if "atoms" in run.images:
        atoms_figure(run.images["atoms"]).savefig(folder / f"{fragment}_atoms.png", dpi=100)


def _write(runs: list[Run], name: str, published: Path) -> None:
    runs = [replace(run, name=run.folder.parent.name) for run in runs]  # several fragments may be of one class
    rows = {run.name: rows_of(run) for run in runs}
    command = shlex.join(["python", "-m", "benchmarks.comparison", *sys.argv[1:]])
    markdown = to_wide_markdown(rows, "front end")
    if published.is_file():
        markdown = with_published(markdown, published)
    write_atomically(HERE / "results" / f"{name}.md", f"`{command}`\n\n{markdown}{remarks(runs)}")
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
