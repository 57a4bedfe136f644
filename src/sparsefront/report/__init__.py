"""Tables, plots and one HTML page from run folders."""

from sparsefront.report.cli import main, report, show, write_table
from sparsefront.report.html import write_page
from sparsefront.report.row import Row, rows_of
from sparsefront.report.run import Run, load_runs
from sparsefront.report.share import Share
from sparsefront.report.table import print_table, to_csv, to_markdown

__all__ = [
    "Row",
    "Run",
    "Share",
    "load_runs",
    "main",
    "print_table",
    "report",
    "rows_of",
    "show",
    "to_csv",
    "to_markdown",
    "write_page",
    "write_table",
]
