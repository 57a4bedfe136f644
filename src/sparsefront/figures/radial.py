"""One number a neuron, around a circle."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sparsefront.figures.style import FAINT, INK, literal, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.projections.polar import PolarAxes


class Ring(NamedTuple):
    """One circle.

    Attributes:
        title: above it.
        values: (n,), one a neuron.
        colour: of their line.
        dotted: (n,) drawn beside them, if any.
    """

    title: str
    values: np.ndarray
    colour: str
    dotted: np.ndarray | None = None


def radial_figure(rings: Sequence[Ring], unit: str, neuron: int) -> "Figure":
    """Neurons around circles of one scale (paper 003, Figures 3 and 4), one of them named.

    Args:
        rings: the circles, side by side.
        unit: what the distance from the centre is.
        neuron: number of the one to name.

    Raises:
        ValueError: `rings` is empty.
    """
    if not rings:
        raise ValueError("`rings` must hold at least one, found none.")
    from matplotlib.projections.polar import PolarAxes

    figure = new_figure((4.25 * len(rings), 4.9))
    drawn = np.concatenate([line for ring in rings for line in (ring.values, ring.dotted) if line is not None])
    low, high = min(0.0, float(drawn.min())), float(drawn.max()) or 1.0
    for number, ring in enumerate(rings):
        axes = figure.add_subplot(1, len(rings), number + 1, projection="polar")
        assert isinstance(axes, PolarAxes)
        count = len(ring.values)
        angles = np.append(np.arange(count), 0) * 2 * np.pi / count
        axes.plot(angles, np.append(ring.values, ring.values[0]), color=ring.colour, linewidth=0.9)
        axes.fill(angles[:-1], ring.values, color=ring.colour, alpha=0.25, linewidth=0)
        if ring.dotted is not None:
            axes.plot(angles, np.append(ring.dotted, ring.dotted[0]), ":", color=INK, linewidth=0.6, zorder=1)
        axes.plot(angles[neuron], ring.values[neuron], "o", color=INK, markersize=3.5)
        axes.set_ylim(low, 1.05 * high)
        _label(axes, count, neuron)
        axes.set_title(literal(ring.title), fontsize=9, color=INK)
    figure.supxlabel(f"around: number of the neuron; from the centre: {unit}", fontsize=9, color=INK)
    return figure


def _label(axes: "PolarAxes", count: int, neuron: int) -> None:
    """Numbers of neurons around the circle, among them the named one."""
    from matplotlib.ticker import MaxNLocator

    angle = 2 * np.pi * neuron / count
    marks = np.unique(np.arange(8) * count // 8)
    # A mark beside the name would be written over.
    marks = marks[np.abs((marks - neuron + count / 2) % count - count / 2) > count / 20]
    axes.set_xticks([*(2 * np.pi * marks / count), angle], [*map(str, marks), ""])
    axes.tick_params(colors=INK, labelsize=8, pad=1)
    side = 0 if abs(np.cos(angle)) < 0.3 else int(np.sign(np.cos(angle)))
    align = ("right", "center", "left")[side + 1]
    low, high = axes.get_ylim()
    look: dict[str, Any] = {"color": INK, "fontsize": 8, "weight": "bold"}
    axes.text(angle, low + 1.1 * (high - low), f"neuron {neuron}", ha=align, va="center", **look)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.set_rlabel_position(np.degrees(angle) + 180)
    axes.set_facecolor("none")
    axes.grid(visible=True, **FAINT)
    axes.spines["polar"].set(**FAINT)
