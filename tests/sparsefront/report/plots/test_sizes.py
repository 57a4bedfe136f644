import pytest

from sparsefront.report.plots import sizes_figure
from sparsefront.results.run import Run
from tests.helpers.drawn import drawn_texts


def test_sizes_are_quantiles_of_the_successful(make_run, entry):
    run = Run.load(make_run(attacks=[entry("a", fell=(0, 1, 2)), entry("b")]))
    figure = sizes_figure(run)
    drawn_texts(figure)
    medians = [axes.lines[0].get_xdata().tolist() for axes in figure.axes]
    assert medians == [[pytest.approx(0.02)], [pytest.approx(0.2)]]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["a, 33.3 %"]  # 3 of the 9 that were right
    assert sizes_figure(Run.load(make_run("none", attacks=[entry("b")]))) is None
