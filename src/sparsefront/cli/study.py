"""`sparsefront-study FILE.yaml`: several systems fitted and tested, one report."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sparsefront.cli.dry_run.check import check
from sparsefront.cli.show_runs import show, write_table
from sparsefront.cli.side_by_side import add_worker_arguments, run_by, workers_of
from sparsefront.common import stopping
from sparsefront.common.atomic_file import os_error_in_words, write_atomically
from sparsefront.common.extras import check_report_extra
from sparsefront.common.system_errors import says_system_errors
from sparsefront.common.working_folder import look_here_last
from sparsefront.report.html import write_page
from sparsefront.report.over_seeds import seeds_to_csv
from sparsefront.results.run import load_runs
from sparsefront.studies.study import Study
from sparsefront.studies.study_file import REPORT, read_study
from sparsefront.training.slurm import requeue


@says_system_errors("sparsefront-study")
def main(args: Sequence[str] | None = None) -> int:
    """Fit and test each system that has no results yet, then write the report over all that have.

    The file and all systems' settings are checked before the first fit.

    Returns:
        0; 1 after a sentence on stderr if some system has no results; 2, before any work, if a setting cannot be right.
    """
    parser = argparse.ArgumentParser(
        prog="sparsefront-study",
        description="Fit and test several systems one after the other, and report on all of them.",
        epilog="What is not listed here goes to every `sparsefront fit` and `test`: --trainer.accelerator gpu ...",
        allow_abbrev=False,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="YAML file of the study; comes first")
    parser.add_argument("--run_dir", type=Path, help="folder of its runs and its report (default: the file's)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="fit and test these systems only")
    add_worker_arguments(parser)
    given, more = parser.parse_known_args(args)
    try:
        check_report_extra("the report of a study")
        study = read_study(given.file, given.run_dir, more)
        chosen = study.pick(given.only)
        workers = workers_of(given, study)
        study.check(chosen, check)
    except ValueError as error:
        print(f"sparsefront-study: {error}", file=sys.stderr)
        return 2
    failed = run_by(workers, given, chosen)
    written = _report(study)
    for name, why in failed.items():
        print(f"sparsefront-study: {name} has no results: {why}", file=sys.stderr)
    return 1 if failed or not written else 0


def _report(study: Study) -> bool:
    """Print and write it over all systems that have results; returns whether there is anything to report."""
    from sparsefront.studies.finished import has_results  # with torch, which reads checkpoints

    done = {system.name: system for system in study.systems if has_results(system.folder, system.stage)}
    if not done:
        return False
    page, markdown, table, seeds = (study.folder / name for name in REPORT)
    try:
        runs = [
            replace(load_runs({name: system.folder}, system.stage)[0], seedless_name=system.seedless_name)
            for name, system in done.items()
        ]
        show(runs)
        write_table(runs, markdown)
        write_table(runs, table)
        if (numbers := seeds_to_csv(runs)) is not None:
            write_atomically(seeds, numbers)
        print(write_page(runs, page))
    except (ValueError, OSError) as error:
        said = os_error_in_words(error) if isinstance(error, OSError) else error
        print(f"sparsefront-study: {said}", file=sys.stderr)
        return False
    return True


def command() -> int:
    """The installed command `sparsefront-study`."""
    look_here_last()  # a class in a file beside the user is found
    with stopping.command("sparsefront-study", sys.argv[1:], "what was fitted and tested so far is kept"):
        try:
            return main()
        except stopping.Stopped as stop:
            if stop.signum == signal.SIGUSR1 and "SLURM_JOB_ID" in os.environ:
                requeue()  # the time limit of the job that the study itself runs in
            raise


if __name__ == "__main__":
    sys.exit(command())
