"""Figures of runs and of rows of the table."""

from sparsefront.report.plots.accuracy import accuracy_figure
from sparsefront.report.plots.interval import interval_attacks, interval_figure
from sparsefront.report.plots.robustness import robustness_figure
from sparsefront.report.plots.setting import setting_figure
from sparsefront.report.plots.sizes import sizes_figure

__all__ = [
    "accuracy_figure",
    "interval_attacks",
    "interval_figure",
    "robustness_figure",
    "setting_figure",
    "sizes_figure",
]
