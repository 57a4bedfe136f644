"""All neurons on a few images."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from sparsefront.figures.neuron import OTHER, POSITIVE
from sparsefront.figures.style import FAINT, INK, dress, literal, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MANY = 4096  # neurons above which they are drawn as pixels, so that the page stays light


def profiles_figure(profiles: Mapping[str, Mapping[str, np.ndarray]], neuron: int) -> "Figure":
    """Activations of all neurons, a column an image, a row a variant (paper 003, Figure 8).

    Args:
        profiles: by image, by variant, (n,).
        neuron: number of the one to point at.

    Raises:
        ValueError: `profiles` is empty.
    """
    if not profiles:
        raise ValueError("`profiles` must hold at least one image, found none.")
    variants = list(dict.fromkeys(name for by_variant in profiles.values() for name in by_variant))
    figure = new_figure((8.5, 0.6 + 1.15 * len(variants)))
    first = None
    for column, (image, by_variant) in enumerate(profiles.items()):
        for row, name in enumerate(variants):
            place = row * len(profiles) + column + 1
            axes = figure.add_subplot(len(variants), len(profiles), place, sharex=first, sharey=first)
            first, values = first or axes, by_variant[name]
            edges = np.arange(len(values) + 1) - 0.5
            axes.axvline(neuron, **{**FAINT, "linestyle": "--", "linewidth": 1, "zorder": 0})
            # Edges of a width in points: neurons narrower than a pixel would fade.
            bars = axes.stairs(values, edges, fill=True, color=(POSITIVE, OTHER)[column % 2], linewidth=0.8)
            bars.set_edgecolor(bars.get_facecolor())
            bars.set_rasterized(len(values) > MANY)
            axes.set_xlim(edges[0], edges[-1])
            if row == 0:
                axes.set_title(literal(image), fontsize=9)
            if column == 0:
                axes.set_ylabel(literal(name), fontsize=9)
            dress(axes, grid="y")
            axes.tick_params(labelleft=column == 0, labelbottom=row == len(variants) - 1, labelsize=8)
    figure.supxlabel(f"number of the neuron (dashed: neuron {neuron})", fontsize=9, color=INK)
    figure.supylabel("activation", fontsize=9, color=INK)
    return figure
