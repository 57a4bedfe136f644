"""Accuracy on variants of the images, side by side."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from sparsefront.figures.style import COLOURS, INK, dress, literal, new_figure
from sparsefront.results.share import Share

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def variants_figure(systems: Mapping[str, Mapping[str, Share]]) -> "Figure":
    """Bars of accuracy in %, a group a system, a colour a variant (paper 003, Figure 5), whiskers the 95 % interval.

    Args:
        systems: by their names, the accuracy on each variant by its name.

    Raises:
        ValueError: `systems` is empty.
    """
    if not systems:
        raise ValueError("`systems` must hold at least one system, found none; give those that have variants.")
    names = list(dict.fromkeys(name for shares in systems.values() for name in shares))
    figure = new_figure((8.5, 0.9 + 0.23 * len(systems) * (len(names) + 0.8)))
    axes = figure.add_subplot()
    height = 0.84 / len(names)
    for number, name in enumerate(names):
        shares = [(place, by_variant[name]) for place, by_variant in enumerate(systems.values()) if name in by_variant]
        centres = [place + (number - (len(names) - 1) / 2) * height for place, _ in shares]
        values = [100 * share.value for _, share in shares]
        low, high = 100 * np.array([share.interval for _, share in shares]).T
        colour, hatch = COLOURS[number % len(COLOURS)], ("", "////", "....")[number // len(COLOURS) % 3]
        axes.barh(centres, values, 0.88 * height, color=colour, hatch=hatch, label=literal(name))
        axes.hlines(centres, low, high, color=INK, linewidth=1.2)
        for centre, value, end in zip(centres, values, high, strict=True):
            axes.text(end + 1, centre, f"{value:.1f}", va="center", color=INK, fontsize=8)
    axes.set_yticks(range(len(systems)), [literal(name) for name in systems])
    axes.set_ylim(len(systems) - 0.45, -0.55)
    axes.set_xlim(0, 112)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("% of all samples predicted right, with 95 % interval", fontsize=9)
    dress(axes)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, labelcolor=INK, fontsize=9)
    return figure
