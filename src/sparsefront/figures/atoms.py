"""A dictionary at a glance."""

import math
from typing import TYPE_CHECKING

import numpy as np

from sparsefront.figures.pixels import to_rgb
from sparsefront.figures.style import INK, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIMIT = 1024


def atoms_figure(atoms: np.ndarray) -> "Figure":
    """All atoms in a mosaic, from smooth to fine; each is scaled by its own largest value, grey is zero.

    Sorted by the energy of differences between neighbouring pixels over the atom's own energy. Of more than 1,024
    atoms every so many-th is shown, and the title says so.

    Args:
        atoms: (L, C, n, n), any real values.

    Raises:
        ValueError: `atoms` is not four-dimensional or holds none.
    """
    if atoms.ndim != 4 or not len(atoms):
        raise ValueError(f"`atoms` must have shape (L, C, n, n) with L >= 1, found {atoms.shape}; reshape the columns.")
    order = np.argsort(_roughness(atoms), kind="stable")
    shown = atoms[order[:: math.ceil(len(atoms) / LIMIT)]]
    mosaic = _mosaic(shown)
    height, width = mosaic.shape[:2]
    figure = new_figure((7.0, 0.35 + 7.0 * height / width))
    axes = figure.add_subplot()
    axes.imshow(mosaic, interpolation="none")
    axes.set_axis_off()
    count = f"{len(atoms)} atoms" if len(shown) == len(atoms) else f"{len(shown)} of {len(atoms)} atoms"
    axes.set_title(f"{count}, {atoms.shape[2]} x {atoms.shape[3]} pixels, smooth to fine", fontsize=9, color=INK)
    return figure


def _roughness(atoms: np.ndarray) -> np.ndarray:
    """(L,) energy of the differences between neighbours over the energy of the atom; 0 for an atom of zeros."""
    down, right = np.diff(atoms, axis=2), np.diff(atoms, axis=3)
    change = (down**2).sum((1, 2, 3)) + (right**2).sum((1, 2, 3))
    energy = (atoms**2).sum((1, 2, 3))
    relative_change: np.ndarray = change / np.where(energy > 0, energy, 1)
    return relative_change


def _mosaic(atoms: np.ndarray) -> np.ndarray:
    """RGBA (rows * (n + 1) - 1, columns * (n + 1) - 1, 4), clear between the atoms."""
    count, _, height, width = atoms.shape
    columns = math.ceil(math.sqrt(1.6 * count)) if count > 8 else count
    rows = math.ceil(count / columns)
    peak = np.abs(atoms).max((1, 2, 3), keepdims=True)
    tiles = np.zeros((rows * columns, height + 1, width + 1, 4), dtype=np.float32)
    tiles[:count, :height, :width, :3] = to_rgb(0.5 + 0.5 * atoms / np.where(peak > 0, peak, 1))
    tiles[:count, :height, :width, 3] = 1
    grid = tiles.reshape(rows, columns, height + 1, width + 1, 4).swapaxes(1, 2)
    return grid.reshape(rows * (height + 1), columns * (width + 1), 4)[:-1, :-1]
