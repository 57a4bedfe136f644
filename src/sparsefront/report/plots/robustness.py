"""Accuracy against the size of perturbations."""

from typing import TYPE_CHECKING

import numpy as np

from sparsefront.figures.style import COLOURS, INK, dress, literal, new_figure
from sparsefront.report.plots.sizes import NORMS
from sparsefront.results.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def robustness_figure(run: Run) -> "Figure | None":
    """Share of all samples that are right and for which an attack found no perturbation of a size or less, by size.

    Exact for attacks that look for the least perturbation; for a bounded one, what it found within its bound.

    Returns:
        The figure; None if no attack succeeded on any sample.
    """
    names = [attack.name for attack in run.completed if run.samples.success(attack.name).any()]
    if not names:
        return None
    figure = new_figure((8.5, 3.4 + 0.16 * len(names)))
    panels = [figure.add_subplot(1, len(NORMS), place + 1) for place in range(len(NORMS))]
    for axes, (key, title) in zip(panels, NORMS.items(), strict=True):
        for number, name in enumerate(names):
            sizes = np.sort(run.samples.columns[f"{name}/{key}"][run.samples.success(name)])
            left = 100 * (run.samples.correct().sum() - np.arange(len(sizes) + 1)) / run.n
            ends = np.concatenate([[0], sizes])
            style = ("-", "--", ":")[number // len(COLOURS) % 3]
            axes.step(ends, left, style, where="post", color=COLOURS[number % len(COLOURS)], label=literal(name))
        axes.set_xlim(left=0)
        axes.set_ylim(0, 102)
        axes.set_xlabel(title, fontsize=9)
        dress(axes)
    panels[0].set_ylabel("% of all samples", fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, labelcolor=INK, fontsize=8)
    return figure
