"""Tables, plots and one HTML page from run folders."""

import importlib
from typing import TYPE_CHECKING, Any

from sparsefront.report.html import write_page
from sparsefront.report.row import Row, rows_of
from sparsefront.report.run import Run, load_runs
from sparsefront.report.share import Share
from sparsefront.report.table import print_table, to_csv, to_markdown

if TYPE_CHECKING:
    from sparsefront.report.cli import main, report, show, write_table

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


def __getattr__(name: str) -> Any:
    """Import the command when asked for: as `python -m sparsefront.report.cli` it must not be there before it runs."""
    if name not in ("main", "report", "show", "write_table"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("sparsefront.report.cli"), name)
