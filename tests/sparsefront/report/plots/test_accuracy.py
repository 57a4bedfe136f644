import pytest
from matplotlib.patches import Rectangle

from sparsefront.report.plots import accuracy_figure
from sparsefront.report.row import rows_of
from sparsefront.results.run import load_runs
from tests.helpers.drawn import a_row, drawn_texts


def test_bars_are_the_rows_and_failures_have_none(make_run, entry):
    attacks = [entry("pgd $x$", fell=(0,)), entry("gray", "gray_box"), entry("bad", error="OSError: no")]
    runs = load_runs([make_run("a", attacks=attacks), make_run("b", attacks=attacks)])
    figure = accuracy_figure([row for run in runs for row in rows_of(run)])
    texts = drawn_texts(figure)
    (axes,) = figure.axes
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert sorted(round(bar.get_width()) for bar in bars) == [80] * 4 + [90] * 4
    assert [bool(bar.get_hatch()) for bar in bars] == [False] * 4 + [True] * 2 + [False] * 2
    assert texts.count("failed") == 2
    assert [label.get_text() for label in axes.get_yticklabels()][1] == "pgd \\$x\\$\nwhite box, smooth"


def test_bars_of_attacks_outside_the_worst_case_are_pale(make_run, entry):
    attacks = [entry("pgd"), entry("noise") | {"knowledge": "control", "in_worst_case": False}]
    figure = accuracy_figure(rows_of(*load_runs([make_run("a", attacks=attacks)])))
    drawn_texts(figure)
    (axes,) = figure.axes
    opacity = {
        round(patch.get_y() + patch.get_height() / 2): patch.get_facecolor()[3]
        for patch in axes.patches
        if isinstance(patch, Rectangle)
    }
    names = [label.get_text().split("\n")[0] for label in axes.get_yticklabels()]
    assert {name: opacity[place] < 1 for place, name in enumerate(names)} == {
        "no attack": False, "pgd": False, "noise": True, names[-1]: False
    }  # fmt: skip


def test_long_names_of_systems_leave_room_for_the_bars():
    rows = [a_row(3, system=f"GaussianBlur + ConvNet (sigma={number}.5/version_0)") for number in range(5)]
    figure = accuracy_figure(rows)
    drawn_texts(figure)
    assert figure.axes[0].get_position().width > 0.5


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="`rows`"):
        accuracy_figure([])
