"""`sparsefront-sweep`: settings through several values, a test of each, a table and a picture."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sparsefront.cli.dry_run.check import check
from sparsefront.cli.side_by_side import add_worker_arguments, run_by, workers_of
from sparsefront.common import stopping
from sparsefront.common.atomic_file import atomic_file, write_atomically
from sparsefront.common.extras import check_report_extra
from sparsefront.common.home import at_home
from sparsefront.common.system_errors import says_system_errors
from sparsefront.common.working_folder import look_here_last
from sparsefront.report.over_seeds import seed_tables, seeds_to_csv
from sparsefront.report.plots import setting_figure
from sparsefront.report.remarks import remarks
from sparsefront.report.row import rows_of
from sparsefront.report.table import to_csv
from sparsefront.report.wide import to_wide_markdown
from sparsefront.results.run import Run, load_runs
from sparsefront.studies.axes import Axis, points, short_names
from sparsefront.studies.study import Study
from sparsefront.studies.sweep import sweep
from sparsefront.studies.system import System


@says_system_errors("sparsefront-sweep")
def main(args: Sequence[str] | None = None) -> int:
    """Test each value that has no results yet, then write the table and the picture over all that have.

    Section 5.5 of paper 002 (Figure 5), for any settings. All values' settings are checked before the first test.

    Returns:
        0; 1 after a sentence on stderr if some value has no results; 2, before any test, if a setting cannot be right.
    """
    given, more = _parser().parse_known_args(args)
    try:
        check_report_extra("the report of a sweep")
        axes = _axes(given.setting, given.values)
        study = sweep(axes, at_home(given.run_dir), more, given.fit)
        workers = workers_of(given, study)
        study.check(study.systems, check)
    except ValueError as error:
        print(f"sparsefront-sweep: {error}", file=sys.stderr)
        return 2
    failed = run_by(workers, given, study.systems)
    words = list(sys.argv[1:] if args is None else args)
    _write(axes, study, shlex.join(["sparsefront-sweep", *words]))
    for name, why in failed.items():
        print(f"sparsefront-sweep: {name} has no results: {why}", file=sys.stderr)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sparsefront-sweep",
        description="Test settings at several values: accuracy without and under attack, and PSNR, over the values.",
        epilog="What is not listed here goes to `sparsefront test`: --config, --model.classifier_checkpoint ...",
        allow_abbrev=False,
    )
    setting = "e.g. model.frontend.sigma; given again with --values of its own, every pair of values is tested"
    parser.add_argument("--setting", required=True, action="append", help=setting)
    parser.add_argument("--values", required=True, action="append", nargs="+", metavar="VALUE", help="e.g. 0.5 1 2")
    parser.add_argument("--fit", action="store_true", help="fit each value first, as for --setting seed_everything")
    parser.add_argument("--run_dir", type=Path, default=Path("runs/sweep"), help="folder (default: runs/sweep)")
    add_worker_arguments(parser)
    return parser


def _axes(settings: Sequence[str], values: Sequence[Sequence[str]]) -> list[Axis]:
    if len(settings) != len(values) or len(set(settings)) < len(settings):
        raise ValueError(
            f"`--setting` must be given once with `--values` of its own, found {', '.join(settings)} and "
            f"{len(values)} lists of values; write --setting A --values 1 2 --setting B --values 3 4."
        )
    return [Axis(setting, tuple(some)) for setting, some in zip(settings, values, strict=True)]


def _write(axes: Sequence[Axis], study: Study, command: str) -> None:
    """The table, the CSV file and the picture, over all points that have results."""
    from sparsefront.studies.finished import has_results  # with torch, which reads checkpoints

    systems = zip((", ".join(point.values) for point in points(axes)), study.systems, strict=True)
    done = {value: system for value, system in systems if has_results(system.folder)}
    if not done:
        return
    loaded = load_runs([system.folder for system in done.values()], "test")
    runs = [_with_seedless_name(run, system) for run, system in zip(loaded, done.values(), strict=True)]
    rows = {value: [replace(row, system=value) for row in rows_of(run)] for value, run in zip(done, runs, strict=True)}
    first, folder = ", ".join(short_names(axes)), study.folder
    text = "\n".join([to_wide_markdown(rows, first, psnr=True), *(table.markdown() for table in seed_tables(runs))])
    text += remarks(runs)
    print(text)
    write_atomically(folder / "sweep.md", f"`{command}`\n\n{text}")
    write_atomically(folder / "sweep.csv", to_csv([row for some in rows.values() for row in some], first))
    if (numbers := seeds_to_csv(runs)) is not None:
        write_atomically(folder / "seeds.csv", numbers)
    with atomic_file(folder / "sweep.png") as picture:
        setting_figure(", ".join(axis.setting for axis in axes), rows).savefig(picture, dpi=150)
    print(folder / "sweep.png")


def _with_seedless_name(run: Run, system: System) -> Run:
    """The run under the values that it shares with those of other seeds; `all` where seeds alone are swept."""
    return run if system.seedless_name is None else replace(run, seedless_name=system.seedless_name or "all")


def command() -> int:
    """The installed command `sparsefront-sweep`."""
    look_here_last()  # a class in a file beside the user is found
    with stopping.command("sparsefront-sweep", sys.argv[1:], "the values tested so far are kept"):
        return main()


if __name__ == "__main__":
    sys.exit(command())
