"""The pictures of a report, as matplotlib figures that know of no screen."""

from sparsefront.figures.atoms import atoms_figure
from sparsefront.figures.curves import curves_figure
from sparsefront.figures.neuron import neuron_figure
from sparsefront.figures.panel import panel_figure
from sparsefront.figures.profiles import profiles_figure
from sparsefront.figures.radial import Ring, radial_figure
from sparsefront.figures.variants import variants_figure
from sparsefront.report.plots.accuracy import accuracy_figure
from sparsefront.report.plots.interval import interval_attacks, interval_figure
from sparsefront.report.plots.robustness import robustness_figure
from sparsefront.report.plots.setting import setting_figure
from sparsefront.report.plots.sizes import sizes_figure

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
