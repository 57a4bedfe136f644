"""The table over seeds, of made-up runs of ten samples, nine of them right, whose numbers can be counted by hand."""

import csv
import io
from dataclasses import replace

import pytest
from rich.console import Console

from sparsefront.cli.show_runs import show, write_table
from sparsefront.report.html import render
from sparsefront.report.over_seeds import over_seeds, seed_tables, seeds_to_csv
from sparsefront.results.run import load_runs
from tests.helpers.html_page import Page


@pytest.fixture(scope="module")
def runs(make_shared_run, entry):
    """Two seeds of `a`, three of `b`, of which the last one's gray box failed, and a run that is not one of several."""

    def made(name, pgd, gray, error=None):
        attacks = [entry("pgd", fell=pgd), entry("gray", "gray_box", fell=gray, error=error)]
        noise = entry("noise", fell=(0, 1, 2)) | {"knowledge": "control", "in_worst_case": False}
        folder = make_shared_run(name.replace(" ", "_"), attacks=[*attacks, noise], extras=False, blank_failed=False)
        seedless_name = name.rpartition(" ")[0] or None
        return replace(load_runs({name: folder})[0], seedless_name=seedless_name)

    return [
        made("a 0", pgd=(0,), gray=(1,)),
        made("a 1", pgd=(0, 1), gray=(1, 2, 3)),
        made("b 0", pgd=(), gray=(0,)),
        made("b 1", pgd=(0,), gray=(0,)),
        made("b 2", pgd=(0, 1), gray=(), error="OSError: no"),
        made("alone", pgd=(0,), gray=()),
    ]


# a: pgd leaves 8 and 7, gray 8 and 6, both together 7 and 5, noise 6 and 6.
# b: pgd leaves 9, 8 and 7, gray 8 and 8, the worst cases are 8, 8 and 7 (mean 23/3, deviation sqrt(1/3)).
LINES = (
    ("a", "2", "90.0 ± 0.0", "60.0 ± 14.1", "75.0 ± 7.1", "70.0 ± 14.1", "(60.0 ± 0.0)"),
    ("b", "3", "90.0 ± 0.0", "76.7 ± 5.8", "80.0 ± 10.0", "80.0 ± 0.0, n = 2", "(60.0 ± 0.0)"),
)


def test_a_system_has_a_line_with_mean_and_deviation_of_every_column(runs):
    (table,) = seed_tables(runs)
    assert table.header == ("system", "seeds", "clean", "worst case", "pgd", "gray", "noise")
    assert table.rows == LINES


def test_the_numbers_are_written_in_full_as_csv(runs):
    rows = {(row["system"], row["attack"]): row for row in csv.DictReader(io.StringIO(seeds_to_csv(runs)))}
    assert len(rows) == 10
    worst = rows["b", "worst case"]
    assert float(worst["mean"]) == pytest.approx(23 / 30)
    assert float(worst["standard_deviation"]) == pytest.approx((1 / 300) ** 0.5)
    assert (worst["seeds"], worst["lowest"], worst["highest"]) == ("3", "0.7", "0.8")
    assert rows["b", "gray"]["seeds"] == "2"
    assert rows["a", "noise"]["in_worst_case"] == "False"
    assert float(rows["a", "no attack"]["mean"]) == pytest.approx(0.9)


def test_an_attack_that_one_seed_alone_came_through_has_no_deviation(runs):
    (system,) = over_seeds([runs[2], runs[4]])
    gray = next(row for row in system.rows if row.attack == "gray")
    assert (gray.right.mean, gray.right.deviation) == (0.8, None)
    assert "80.0, n = 1" in seed_tables([runs[2], runs[4]])[0].rows[0]


def test_a_worst_case_of_each_kind_of_adversary_comes_last(make_run, entry):
    attacks = [entry(name, kind, fell=(0,)) for kind in ("white_box", "gray_box") for name in (f"{kind}1", f"{kind}2")]
    names = {str(seed): make_run(f"seed{seed}", attacks=attacks, extras=False) for seed in (0, 1)}
    (table,) = seed_tables([replace(run, seedless_name="a") for run in load_runs(names)])
    assert table.header[3] == "worst case"
    assert table.header[-2:] == ("worst white box", "worst gray box")


@pytest.mark.parametrize("places", [slice(5, None), slice(0, 1), slice(0, 0)])
def test_where_no_system_has_several_seeds_there_is_no_table(runs, places):
    assert seed_tables(runs[places]) == []
    assert seeds_to_csv(runs[places]) is None


def test_it_is_printed_and_written_beside_the_rows_of_each_seed(runs, tmp_path):
    printed = io.StringIO()
    show(runs, Console(file=printed))
    write_table(runs, tmp_path / "t.md")
    page = Page(render(runs)).text
    for text in (printed.getvalue(), (tmp_path / "t.md").read_text(), page):
        assert "Mean over seeds" in text
        assert "76.7 ± 5.8" in text
        assert all(run.name in text for run in runs)
    assert f"| {' | '.join(LINES[0])} |" in (tmp_path / "t.md").read_text()
