"""The pictures of a report, as matplotlib figures that know of no screen."""

from sparsefront.report.plots.accuracy import accuracy_figure
from sparsefront.report.plots.atoms import atoms_figure
from sparsefront.report.plots.curves import curves_figure
from sparsefront.report.plots.interval import interval_attacks, interval_figure
from sparsefront.report.plots.panel import panel_figure
from sparsefront.report.plots.robustness import robustness_figure
from sparsefront.report.plots.setting import setting_figure
from sparsefront.report.plots.sizes import sizes_figure

__all__ = [
    "accuracy_figure",
    "atoms_figure",
    "curves_figure",
    "interval_attacks",
    "interval_figure",
    "panel_figure",
    "robustness_figure",
    "setting_figure",
    "sizes_figure",
]
