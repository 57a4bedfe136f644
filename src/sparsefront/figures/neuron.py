"""What one neuron does on each image."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from sparsefront.figures.style import BAD, COLOURS, INK, dress, literal, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 4
POSITIVE, OTHER = BAD, COLOURS[0]
MANY = 2000  # marks above which they are drawn as pixels, so that the page stays light


def neuron_figure(activations: Mapping[str, np.ndarray], groups: Mapping[str, np.ndarray], neuron: int) -> "Figure":
    """Activation of one neuron on each image, a panel a variant (paper 003, Figure 6).

    Args:
        activations: by variant, (N,).
        groups: by name, bool (N,): the images of the positive class, then others.
        neuron: its number.

    Raises:
        ValueError: `activations` is empty.
    """
    if not activations:
        raise ValueError("`activations` must hold at least one variant, found none.")
    rows = math.ceil(len(activations) / COLUMNS)
    columns = math.ceil(len(activations) / rows)
    figure = new_figure((8.5, 0.5 + 2.1 * rows))
    first = None
    for place, (name, values) in enumerate(activations.items()):
        axes = figure.add_subplot(rows, columns, place + 1, sharey=first, sharex=first)
        first, start = first or axes, 0
        for group, colour in zip(groups, (POSITIVE, OTHER), strict=False):
            some = values[groups[group]]
            numbers = np.arange(start, start + len(some))
            label = literal(group) if place == 0 else None
            axes.plot(numbers, some, ".", color=colour, markersize=4, label=label, rasterized=len(values) > MANY)
            start += len(some)
        axes.set_title(literal(name), fontsize=9)
        dress(axes, grid="y")
        axes.tick_params(labelleft=place % columns == 0)
    figure.supxlabel("image", fontsize=9, color=INK)
    figure.supylabel(f"activation of neuron {neuron}", fontsize=9, color=INK)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, labelcolor=INK, fontsize=9)
    return figure
