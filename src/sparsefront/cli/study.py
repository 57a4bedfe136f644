"""`sparsefront-study FILE.yaml`: several systems fitted and tested, one report."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sparsefront.cli.command import check
from sparsefront.cli.report import show, write_table
from sparsefront.common import stopping
from sparsefront.common.atomic_file import in_words
from sparsefront.common.checkpoints.run_folder import has_checkpoint
from sparsefront.common.system_errors import says_system_errors
from sparsefront.common.working_folder import look_here_last
from sparsefront.report.html import write_page
from sparsefront.results.run import load_runs
from sparsefront.studies.record import begin_fit, begin_test, check_same, end_fit, end_test, is_done, is_fitted
from sparsefront.studies.separate_run import LOG, last_words, separate_run
from sparsefront.studies.separate_tests import has_results
from sparsefront.studies.study_file import REPORT, pick, read_study
from sparsefront.studies.system import System


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
    given, more = parser.parse_known_args(args)
    try:
        folder, systems = read_study(given.file, given.run_dir, more)
        chosen = pick(given.only, systems)
        _check_before_any_work(systems, chosen)
    except ValueError as error:
        print(f"sparsefront-study: {error}", file=sys.stderr)
        return 2
    failed = {system.name: why for system in chosen if (why := _run(system))}
    written = _report(folder, [system for system in systems if has_results(system.folder)])
    for name, why in failed.items():
        print(f"sparsefront-study: {name} has no results: {why}", file=sys.stderr)
    return 1 if failed or not written else 0


def _check_before_any_work(systems: Sequence[System], chosen: Sequence[System]) -> None:
    """Raise a ValueError, or exit with a sentence, on what cannot be right."""
    for system in systems:
        check_same(system)
    for system in chosen:
        if is_done(system):
            continue
        unfitted = tuple(other for other in system.needs if not is_fitted(other))
        if absent := [other.name for other in unfitted if other not in chosen]:
            raise ValueError(f"`--only` must also name {absent[0]}, which {system.name} needs and which is not fitted.")
        try:
            # A test would ask for weights that are not there yet.
            verb = "fit" if system.fit or unfitted else "test"
            check([verb, *system.arguments_without(unfitted), "--run_dir", str(system.folder)])
        except SystemExit:
            raise ValueError(f"refused at system {system.name}; nothing was fitted or tested.") from None


def _run(system: System) -> str:
    """Do what is left to do; return why there are no results all the same, or nothing."""
    if is_done(system):
        print(f"{system.name}: has its results", flush=True)
        return ""
    if absent := [other.name for other in system.needs if not is_fitted(other)]:
        return f"it needs {absent[0]}, which is not fitted"
    if not is_fitted(system):
        last = has_checkpoint(system.folder)
        begin_fit(system)
        if not _timed("fit", system, last):
            return _why("fit", system)
        end_fit(system)
    begin_test(system)
    ended = _timed("test", system, system.fit)
    if not ended or not has_results(system.folder):
        return _why("test", system)
    end_test(system)
    return ""


def _timed(verb: str, system: System, last: bool) -> bool:
    print(f"{system.name}: {verb} ...", end=" ", flush=True)
    start = time.monotonic()
    arguments = system.fit_arguments if verb == "fit" else system.arguments
    ended = separate_run(verb, system.folder, [*arguments, *(["--ckpt_path", "last"] if last else [])])
    print(f"{'' if ended else 'failed after '}{time.monotonic() - start:.0f} s", flush=True)
    return ended


def _why(verb: str, system: System) -> str:
    return f"its {verb} failed; see {system.folder / LOG} ({last_words(system.folder)})"


def _report(folder: Path, systems: Sequence[System]) -> bool:
    """Print and write it; returns whether there is anything to report."""
    if not systems:
        return False
    page, *tables = (folder / name for name in REPORT)
    try:
        runs = load_runs({system.name: system.folder for system in systems}, "test")
        show(runs)
        for table in tables:
            write_table(runs, table)
        print(write_page(runs, page))
    except (ValueError, OSError) as error:
        said = in_words(error) if isinstance(error, OSError) else error
        print(f"sparsefront-study: {said}", file=sys.stderr)
        return False
    return True


def command() -> int:
    """The installed command `sparsefront-study`."""
    look_here_last()  # a class in a file beside the user is found
    with stopping.command("sparsefront-study", sys.argv[1:], "what was fitted and tested so far is kept"):
        return main()


if __name__ == "__main__":
    sys.exit(command())
