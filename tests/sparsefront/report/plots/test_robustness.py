import numpy as np

from sparsefront.report.plots import robustness_figure
from sparsefront.results.run import Run


def test_accuracy_by_size_falls_by_one_sample_at_each_successful_size(make_run, entry):
    run = Run.load(make_run(attacks=[entry("a", fell=(0, 2)), entry("b")]))
    axes = robustness_figure(run).axes[0]
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_xdata(), [0, 0.01, 0.03])
    np.testing.assert_allclose(line.get_ydata(), [90, 80, 70])


def test_there_is_no_accuracy_by_size_where_nothing_fell(make_run, entry):
    assert robustness_figure(Run.load(make_run(attacks=[entry("a")]))) is None
