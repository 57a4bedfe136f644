"""How large the successful perturbations are."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sparsefront.figures.style import BAD, INK, dress, literal, new_figure
from sparsefront.results.run import Run
from sparsefront.results.share import Share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NORMS = {"linf": "Linf (largest change of a pixel)", "l2": "L2 (Euclidean)"}


def sizes_figure(run: Run) -> "Figure | None":
    """Sizes of the perturbations that fooled the system: median (dot), middle half (thick), 5 to 95 % (thin).

    Beside each name stands the share of the samples that were right that they are over.

    Returns:
        The figure; None if no attack succeeded on any sample.
    """
    from matplotlib.ticker import MaxNLocator

    names = [attack.name for attack in run.completed if run.samples.success(attack.name).any()]
    if not names:
        return None
    figure = new_figure((8.5, 0.8 + 0.3 * len(names)))
    first = None
    for place, (key, title) in enumerate(NORMS.items()):
        axes = first = figure.add_subplot(1, len(NORMS), place + 1, sharey=first)
        sizes = [run.samples.columns[f"{name}/{key}"][run.samples.success(name)] for name in names]
        marks = np.array([np.nanquantile(size, (0.05, 0.25, 0.5, 0.75, 0.95)) for size in sizes])
        rows: Sequence[int] = range(len(names))
        axes.hlines(rows, marks[:, 0], marks[:, 4], color=INK, linewidth=1)
        axes.hlines(rows, marks[:, 1], marks[:, 3], color=BAD, linewidth=5, alpha=0.7)
        axes.plot(marks[:, 2], rows, "o", color=INK, markersize=4)
        axes.set_yticks(rows, [f"{literal(name)}, {_share(run, name)}" for name in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(0, 1.08 * float(marks.max()) or 1)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(title, fontsize=9)
        dress(axes)
        axes.tick_params(labelleft=place == 0)
    return figure


def _share(run: Run, attack: str) -> Share:
    """Of the samples that were right, those for which the attack reached its goal."""
    return Share(int(run.samples.success(attack).sum()), int(run.samples.correct().sum()))
