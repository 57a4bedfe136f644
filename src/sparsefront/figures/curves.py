"""How training went."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from sparsefront.figures.style import COLOURS, INK, dress, legend, literal, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST = 1e30


def curves_figure(metrics: Mapping[str, np.ndarray]) -> "Figure | None":
    """Losses and accuracies over the optimiser's steps.

    Args:
        metrics: columns of Lightning's `metrics.csv`, each (rows,), NaN where a cell is empty.

    Returns:
        The figure; None if no loss or accuracy was logged at two steps or more, or no step.
    """
    step = metrics.get("step")
    if step is None:
        return None  # and so nowhere to draw them
    curves = {name: _points(step, column) for name, column in metrics.items()}
    curves = {name: points for name, points in curves.items() if points.shape[1] > 1}
    losses = {name: points for name, points in curves.items() if _has(name, "loss")}
    accuracies = {name: points for name, points in curves.items() if _has(name, "acc")}
    panels = [(title, drawn) for title, drawn in (("loss", losses), ("accuracy", accuracies)) if drawn]
    if not panels:
        return None
    figure = new_figure((8.5, 0.3 + 2.6 * len(panels)))
    for place, (title, drawn) in enumerate(panels):
        axes = figure.add_subplot(len(panels), 1, place + 1)
        _draw(axes, drawn)
        axes.set_ylabel(title, fontsize=9)
        if title == "accuracy":
            axes.set_ylim(-0.02, 1.02)
        if place == len(panels) - 1:
            axes.set_xlabel("optimiser step", fontsize=9)
        dress(axes, grid="both")
    return figure


def _has(name: str, word: str) -> bool:
    """Whether it is a loss or an accuracy, not the count of its samples."""
    return not name.endswith(f"{word}/n") and any(part == word or part.endswith(f"_{word}") for part in name.split("/"))


def _points(step: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Steps and values, (2, points), of the cells that are not blank, nor beyond what can be drawn."""
    with np.errstate(invalid="ignore"):
        known = (np.abs(column) < LARGEST) & (np.abs(step) < LARGEST)
    return np.stack([step[known], column[known]])


def _draw(axes: "Axes", curves: Mapping[str, np.ndarray]) -> None:
    for number, (name, points) in enumerate(curves.items()):
        worst = name.endswith("/worst")
        axes.plot(
            *points,
            color=INK if worst else COLOURS[number % len(COLOURS)],
            linewidth=2.2 if worst else 1.4,
            linestyle=("-", "--", ":")[number // len(COLOURS) % 3],
            marker="." if points.shape[1] < 40 else "",
            label=literal(name),
        )
    legend(axes, loc="center left", bbox_to_anchor=(1.0, 0.5))
