"""`sparsefront-report`: run folders in, a printed table and one page out."""

import argparse
import io
import sys
from pathlib import Path

from sparsefront.common import stopping
from sparsefront.common.atomic_file import os_error_in_words
from sparsefront.common.extras import check_report_extra
from sparsefront.results.plain import plain
from sparsefront.results.result_files import STAGES, locate

TABLES = (".md", ".csv")


def main(args: list[str] | None = None) -> int:
    """Print the table, write the page, print its path as the last line.

    Returns:
        0, or 1 after one sentence on stderr if a run cannot be read.
    """
    parser = argparse.ArgumentParser(prog="sparsefront-report", description="Show how systems fared under attack.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder; several give one table")
    parser.add_argument(
        "--stage",
        choices=STAGES,
        help="which evaluation of the newest version that has one (default: its test, else val)",
    )
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="the page (default: report.html)")
    parser.add_argument("--table", type=Path, help="also write the table here: .csv, or .md with what is said of it")
    given = parser.parse_args(args)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without a letter of some name still shows the rest
    if given.table is not None and given.table.suffix not in TABLES:
        parser.error(f"`--table` must end in .md or .csv, found {given.table}; name it e.g. table.csv.")
    try:
        with stopping.command("sparsefront-report", sys.argv[1:] if args is None else args):
            for folder in given.runs:  # before what draws is imported, which takes seconds
                locate(folder, STAGES if given.stage is None else (given.stage,))
            check_report_extra("a report")
            from sparsefront.cli.show_runs import show, write_table
            from sparsefront.report.html import write_page
            from sparsefront.results.run import load_runs

            runs = load_runs(given.runs, given.stage)
            show(runs)
            if given.table is not None:
                write_table(runs, given.table)
            page = write_page(runs, given.out)
    except (ValueError, OSError) as error:
        said = os_error_in_words(error) if isinstance(error, OSError) else error
        print(f"sparsefront-report: {plain(str(said))}", file=sys.stderr)
        return 1
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
