import csv
import io

import pytest
from rich.console import Console

from sparsefront.report.row import rows_of
from sparsefront.report.table import print_table, to_csv, to_markdown
from sparsefront.results.run import Run


@pytest.fixture
def rows(make_run, entry):
    folder = make_run(system="A [red]b", attacks=[entry("pgd|x", fell=(0,)), entry("bad", error="OSError: [0] <no>")])
    return rows_of(Run.load(folder))


def test_printed_table_shows_every_number_on_one_line(rows):
    file = io.StringIO()
    print_table(rows, Console(file=file))
    lines = file.getvalue().splitlines()
    row = next(line for line in lines if "pgd|x" in line)
    assert row.split()[:3] == ["A", "[red]b", "pgd|x"]  # a name is no markup
    assert row.split()[-8:] == ["10", "90.0", "80.0", "49.0-94.3", "11.1", "0.0100", "0.100", "1.5"]
    assert any(line.split()[-3:] == ["90.0", "failed", "1.5"] for line in lines)
    assert "A [red]b, bad: failed: OSError: [0] <no>" in lines


@pytest.mark.parametrize("width", range(20, 200, 5))
def test_no_size_is_shown_without_the_share_of_the_samples_that_it_is_over(rows, width):
    file = io.StringIO()
    print_table(rows, Console(file=file, width=width, force_terminal=True, no_color=True))
    table = file.getvalue().partition("clean, robust: %")[0].partition("Left out")[0]
    assert "success" in table or ("Linf" not in table and "L2" not in table)


def test_markdown_keeps_its_columns(rows):
    lines = to_markdown(rows).splitlines()
    table = [line.replace(r"\|", "") for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(rows)
    assert {line.count("|") for line in table} == {16}
    assert "- A [red]b, bad: failed: OSError: [0] &lt;no&gt;" in lines


def test_csv_gives_shares_in_full_and_blanks_for_failures(rows):
    good, bad, worst = csv.DictReader(io.StringIO(to_csv(rows)))
    assert float(good["success"]) == 1 / 9
    assert (good["robust"], bad["robust"], worst["robust"]) == ("0.8", "", "0.8")
    assert (good["error"], bad["error"]) == ("", "OSError: [0] <no>")
