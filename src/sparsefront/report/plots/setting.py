"""Quality against robustness over one setting."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsefront.figures.style import COLOURS, INK, dress, literal, new_figure
from sparsefront.report.row import CLEAN, WORST, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 100  # ratio of the largest to the smallest value from which the axis is logarithmic


def setting_figure(setting: str, rows: Mapping[str, Sequence[Row]]) -> "Figure":
    """Accuracy of clean and of adversarial images, and PSNR of what the classifier sees of them, over a setting.

    Figure 5b of paper 002 (section 5.5), where the setting is lambda: the more of an image a front end takes away, the
    lower is Acc(T(x0)), and the smaller its distance from Acc(T(xadv)). Values that are numbers stand where they
    belong, others side by side. Whiskers are 95 % Wilson intervals.

    Args:
        setting: its name.
        rows: of the report (`rows_of`), by the setting's value.

    Raises:
        ValueError: `rows` is empty.
    """
    if not rows:
        raise ValueError("`rows` must hold at least one value, found none; give the rows of `rows_of` by value.")
    everything = [row for some in rows.values() for row in some]
    names = list(dict.fromkeys(row.attack for row in everything if not row.is_worst))
    panels = ["accuracy", "PSNR"] if any(row.psnr for row in everything) else ["accuracy"]
    judging = {row.attack for row in everything if row.in_worst_case and not row.is_worst}
    lines = [CLEAN, *names, *([WORST] if len(judging) > 1 else [])]
    places, numeric = _places(list(rows))
    figure = new_figure((8.5, 0.6 + 2.6 * len(panels) + 0.07 * len(lines)))
    first = None
    for panel, title in enumerate(panels):
        axes = figure.add_subplot(len(panels), 1, panel + 1, sharex=first)
        first = first or axes
        for name in lines if title == "accuracy" else [CLEAN, *names]:
            _draw(axes, title, name, lines.index(name), [(x, _row(name, rows[v])) for v, x in places.items()])
        axes.set_ylabel("% of all samples" if title == "accuracy" else "PSNR of T(x), dB", fontsize=9)
        dress(axes, grid="both")
        axes.tick_params(labelbottom=panel == len(panels) - 1)
    assert first is not None
    if numeric and min(places.values()) > 0 and max(places.values()) >= WIDE * min(places.values()):
        first.set_xscale("log")
    if not numeric:
        first.set_xticks(list(places.values()), [literal(value) for value in places])
    first.set_ylim(0, 102)
    axes.set_xlabel(literal(setting), fontsize=9)
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, labelcolor=INK, fontsize=8)
    return figure


def _places(values: Sequence[str]) -> tuple[dict[str, float], bool]:
    """Where each value stands, from left to right, and whether that is the value itself."""
    try:
        places = {value: float(value) for value in values}
        numeric = bool(np.isfinite(list(places.values())).all())
    except ValueError:
        numeric = False
    if not numeric:
        return {value: float(place) for place, value in enumerate(values)}, False
    return dict(sorted(places.items(), key=lambda item: item[1])), True


def _row(name: str, rows: Sequence[Row]) -> Row | None:
    """The row of an attack; for no attack, the first that knows the most."""
    if name == CLEAN:
        return next((row for row in rows if row.psnr is not None), rows[0])
    return next((row for row in rows if row.attack == name and row.robust is not None), None)


def _draw(axes: "Axes", title: str, name: str, number: int, points: Sequence[tuple[float, Row | None]]) -> None:
    style: dict[str, Any] = {"color": COLOURS[(number - 1) % len(COLOURS)], "linewidth": 1.4}
    style["linestyle"] = ("-", "--", ":")[(number - 1) // len(COLOURS) % 3]
    if name in (CLEAN, WORST):
        style = {"color": INK, "linewidth": 2.2, "linestyle": "-" if name == CLEAN else ":"}
    drawn = []
    for place, row in points:
        share = None if row is None else row.clean if name == CLEAN else row.robust
        if title == "accuracy" and share is not None:
            low, high = share.interval
            axes.vlines(place, 100 * low, 100 * high, color=style["color"], linewidth=1, alpha=0.5)
            drawn.append((place, 100 * share.value))
        elif title != "accuracy" and row is not None and row.psnr is not None:
            drawn.append((place, row.psnr[0 if name == CLEAN else 1]))
    axes.plot(*np.array(drawn).reshape(-1, 2).T, marker="o", markersize=3.5, label=literal(name), **style)
