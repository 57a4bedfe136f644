"""Quality against robustness of several systems."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sparsefront.figures.style import COLOURS, INK, dress, literal, new_figure
from sparsefront.report.row import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = "osD^v<>P"  # with the colours, 24 systems are told apart


def interval_attacks(rows: Sequence[Row]) -> list[str]:
    """Names of the attacks that two systems or more can be compared under, those of a gray box (the paper's) first."""
    names = dict.fromkeys(row.attack for row in rows if row.knowledge == "gray_box")
    names |= dict.fromkeys(row.attack for row in rows)
    return [name for name in names if len(_comparable(rows, name)) > 1]


def interval_figure(rows: Sequence[Row], attack: str) -> "Figure":
    """The characteristic interval [min(a0, aadv), max(a0, aadv)] of each system, by the quality of what it lets see.

    Figure 6 of paper 002 (section 5.5). Horizontal is the mean PSNR between T(xadv) and the clean image x0; vertical
    are a0 = Acc(T(x0)), a hollow mark, and aadv = Acc(T(xadv)), a full one. Robust systems have short intervals,
    accurate ones high intervals, and those that keep the image stand to the right.

    As in all of the report, a sample that is wrong without attack counts as wrong under attack (so aadv <= a0), and the
    PSNR is over the samples attacked, those that are right without.

    Args:
        rows: of the report (`rows_of`), of several systems.
        attack: name of the attack; systems without it, and those whose classifier sees codes, are left out.

    Raises:
        ValueError: no row has this attack with a PSNR.
    """
    shown = _comparable(rows, attack)
    if not shown:
        raise ValueError(f"`attack` must be one that some row has a PSNR of, found {attack!r}; see `interval_attacks`.")
    figure = new_figure((8.5, 3.6 + 0.16 * ((len(shown) + 1) // 2)))
    axes = figure.add_subplot()
    for number, (row, quality, robust) in enumerate(shown):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        ends = [100 * robust, 100 * row.clean.value]
        axes.plot([quality] * 2, ends, color=colour, linewidth=5, alpha=0.4, solid_capstyle="butt")
        axes.plot(quality, ends[1], marker, markeredgecolor=colour, markerfacecolor="none", markersize=6)
        axes.plot(quality, ends[0], marker, color=colour, markersize=6, label=literal(row.system))
    axes.set_ylim(-2, 102)
    axes.margins(x=0.08)
    axes.set_xlabel("PSNR of what the classifier sees under attack, dB", fontsize=9)
    axes.set_ylabel("% of all samples", fontsize=9)
    axes.set_title(literal(attack), fontsize=9)
    dress(axes, grid="both")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, labelcolor=INK, fontsize=8)
    return figure


def _comparable(rows: Sequence[Row], attack: str) -> list[tuple[Row, float, float]]:
    """Rows of an attack with their PSNR in dB and accuracy under it."""
    return [
        (row, row.psnr[1], row.robust.value)
        for row in rows
        if row.attack == attack and row.psnr is not None and row.robust is not None
    ]
