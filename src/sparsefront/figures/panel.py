"""What an attack does, in pictures."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsefront.figures.pixels import thin, to_rgb
from sparsefront.figures.style import BAD, INK, literal, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class _Strip:
    """One row of pictures (N, C, H, W), its title, and the prediction (N,) written below each, if any."""

    title: str
    pictures: np.ndarray
    prediction: np.ndarray | None = None


def panel_figure(images: Mapping[str, np.ndarray], attacks: Sequence[str] | None = None) -> "Figure":
    """Rows of pictures: clean, through the front end; then for each attack adversarial, difference, through it.

    The true label stands above each column, the system's prediction below clean and adversarial pictures. Differences
    are scaled so that the largest is black or white; the scale is said, mid-grey is none.

    Args:
        images: `clean` (N, C, H, W) in [0, 1], `label` and `clean_pred` (N,), and for each attack `adv/NAME` and
            `pred/NAME`; where the front end returns images also `through/clean` and `through/NAME`.
        attacks: which attacks to show; None for all in `images`.

    Raises:
        ValueError: `images` lacks a name it needs.
    """
    if attacks is None:
        attacks = [name.removeprefix("adv/") for name in images if name.startswith("adv/")]
    needed = ["clean", "label", "clean_pred", *(f"{part}/{name}" for name in attacks for part in ("adv", "pred"))]
    absent = [name for name in needed if name not in images]
    if absent:
        raise ValueError(f"`images` must have {needed}, found no {absent}; evaluate again with `n_images` above 0.")
    strips = _strips(images, attacks)
    count, _, height, width = images["clean"].shape
    cell = height / width
    tops = np.cumsum([0.0, *(cell + (0.06 if strip.prediction is None else 0.24) for strip in strips)])
    figure = new_figure((0.95 * (count + 1.15), 0.95 * (tops[-1] + 0.3)), layout=None)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-1.15, count), ylim=(tops[-1], -0.3), autoscale_on=False)
    axes.set_axis_off()
    for column, label in enumerate(images["label"]):
        axes.text(column + 0.46, -0.1, f"true {label}", ha="center", color=INK, fontsize=9)
    for strip, top in zip(strips, tops[:-1], strict=True):
        _draw(axes, strip, images["label"], top, cell)
    return figure


def _strips(images: Mapping[str, np.ndarray], attacks: Sequence[str]) -> list[_Strip]:
    strips = [_Strip("clean", images["clean"], images["clean_pred"])]
    if "through/clean" in images:
        strips.append(_Strip("clean through front end", images["through/clean"]))
    for name in attacks:
        adversarial = images[f"adv/{name}"]
        change = adversarial.astype(np.float64) - images["clean"]
        largest = np.abs(change).max(initial=0)
        scale = float(f"{0.5 / largest:.2g}") if largest > 0 else 1.0
        said = f"difference x {scale:g}" if largest > 0 else "difference: none"
        strips.append(_Strip(f"{name}", adversarial, images[f"pred/{name}"]))
        strips.append(_Strip(said, 0.5 + scale * change))
        if f"through/{name}" in images:
            strips.append(_Strip(f"{name} through front end", images[f"through/{name}"]))
    return strips


def _draw(axes: "Axes", strip: _Strip, label: np.ndarray, top: float, cell: float) -> None:
    lines = textwrap.fill(strip.title, 16, max_lines=4, placeholder=" ...")
    axes.text(-0.1, top + cell / 2, literal(lines), ha="right", va="center", color=INK, fontsize=8)
    for column, picture in enumerate(to_rgb(thin(strip.pictures))):
        extent = (column, column + 0.92, top + 0.92 * cell, top)
        axes.imshow(picture, extent=extent, interpolation="none", aspect="auto", vmin=0, vmax=1)
        if strip.prediction is not None:
            correct = strip.prediction[column] == label[column]
            said = f"says {strip.prediction[column]} {'✓' if correct else '✗'}"
            height = top + 0.92 * cell + 0.03
            look: dict[str, Any] = {"color": INK} if correct else {"color": BAD, "weight": "bold"}
            axes.text(column + 0.46, height, said, ha="center", va="top", fontsize=8, **look)
