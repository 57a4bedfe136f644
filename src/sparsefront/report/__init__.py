"""Tables, plots and one HTML page from run folders."""

from sparsefront.report.html import write_page
from sparsefront.report.row import Row, rows_of
from sparsefront.report.table import print_table, to_csv, to_markdown
from sparsefront.results.run import Run, load_runs
from sparsefront.results.share import Share

__all__ = ["Row", "Run", "Share", "load_runs", "print_table", "rows_of", "to_csv", "to_markdown", "write_page"]
