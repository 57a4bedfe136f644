"""The pictures of a report, as matplotlib figures that know of no screen."""

from sparsefront.report.plots.accuracy import accuracy_figure
from sparsefront.report.plots.atoms import atoms_figure
from sparsefront.report.plots.curves import curves_figure
from sparsefront.report.plots.interval import interval_attacks, interval_figure
from sparsefront.report.plots.neuron import neuron_figure
from sparsefront.report.plots.panel import panel_figure
from sparsefront.report.plots.profiles import profiles_figure
from sparsefront.report.plots.radial import Ring, radial_figure
from sparsefront.report.plots.robustness import robustness_figure
from sparsefront.report.plots.setting import setting_figure
from sparsefront.report.plots.sizes import sizes_figure
from sparsefront.report.plots.variants import variants_figure

__all__ = [
    "Ring",
    "accuracy_figure",
    "atoms_figure",
    "curves_figure",
    "interval_attacks",
    "interval_figure",
    "neuron_figure",
    "panel_figure",
    "profiles_figure",
    "radial_figure",
    "robustness_figure",
    "setting_figure",
    "sizes_figure",
    "variants_figure",
]
