"""Clean and robust accuracy, side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sparsefront.figures.style import COLOURS, INK, dress, legend, literal, new_figure
from sparsefront.report.row import CLEAN, Row
from sparsefront.results.share import Share

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALE = 0.35  # opacity
WIDTH = 100  # letters that fit side by side
HATCHES = {"white_box": "", "gray_box": "////", "transfer": "....", "black_box": "xxxx", "control": "----"}


def accuracy_figure(rows: Sequence[Row]) -> "Figure":
    """Bars of accuracy in %, a group an attack, a colour a system, whiskers the 95 % Wilson interval.

    White-box bars are plain, gray-box ones striped, transfer ones dotted, black-box ones crossed, controls lined; bars
    that do not enter the worst case are pale; a failed attack, or one that met no sample, says so in place of a bar.

    Args:
        rows: the rows of one or several systems.

    Raises:
        ValueError: `rows` is empty.
    """
    if not rows:
        raise ValueError("`rows` must not be empty, found none; give the rows of `rows_of`.")
    from matplotlib.colors import to_rgba

    systems = list(dict.fromkeys(row.system for row in rows))
    groups = _groups(rows)
    figure = new_figure((8.5, 1.1 + 0.26 * len(groups) * (len(systems) + 0.8)))
    axes = figure.add_subplot()
    height = 0.8 / len(systems)
    for place, group in enumerate(groups):
        for row in _members(group, rows):
            position = systems.index(row.system)
            centre = place + (position - (len(systems) - 1) / 2) * height
            share = row.clean if group == CLEAN else row.robust
            hatch = "" if group == CLEAN else HATCHES.get(row.knowledge, "")
            shade = 1.0 if row.in_worst_case or group == CLEAN else PALE
            _bar(axes, centre, 0.88 * height, share, to_rgba(COLOURS[position % len(COLOURS)], shade), hatch, row.unmet)
    axes.set_yticks(range(len(groups)), [_label(group, rows) for group in groups])
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.set_xlim(0, 112)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("% of all samples predicted right, with 95 % interval", fontsize=9)
    dress(axes)
    _explain(axes, rows, systems)
    return figure


def _explain(axes: "Axes", rows: Sequence[Row], systems: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=COLOURS[i % len(COLOURS)], label=literal(name)) for i, name in enumerate(systems)]
    kinds = dict.fromkeys(row.knowledge for row in rows if row.knowledge in HATCHES)
    handles += [
        Patch(facecolor="#999999", edgecolor="white", hatch=HATCHES[kind], label=kind.replace("_", " "))
        for kind in kinds
    ]
    if any(not row.in_worst_case for row in rows):
        handles.append(Patch(color="#999999", alpha=PALE, label="not in the worst case"))
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(4, len(handles), WIDTH // (longest + 6)))
    legend(axes, handles=handles, loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=columns)


def _groups(rows: Sequence[Row]) -> list[str]:
    """The clean row first, then attacks, then worst cases, in the order in which they come up."""
    names = dict.fromkeys(row.attack for row in rows if not row.is_worst)
    worst = dict.fromkeys(row.attack for row in rows if row.is_worst)
    last = rows[-1].attack
    return [CLEAN, *names, *(name for name in worst if name != last), *(name for name in worst if name == last)]


def _members(group: str, rows: Sequence[Row]) -> list[Row]:
    """The rows of a group of bars, one a system."""
    by_system = {row.system: row for row in rows if group in (CLEAN, row.attack)}
    return list(by_system.values())


def _label(group: str, rows: Sequence[Row]) -> str:
    """The group's name, with who attacks if that is the same for all systems."""
    members = [row for row in rows if row.attack == group and not row.is_worst]
    for words in ({row.adversary for row in members}, {row.knowledge.replace("_", " ") for row in members}):
        if len(words) == 1:
            return literal(f"{group}\n{words.pop()}")
    return literal(group)


def _bar(axes: "Axes", centre: float, height: float, share: Share | None, colour: Any, hatch: str, unmet: bool) -> None:
    if share is None:
        axes.text(
            1, centre, "– (met no sample)" if unmet else "failed", va="center", color=INK, fontsize=8, style="italic"
        )
        return
    low, high = (100 * end for end in share.interval)
    axes.barh(centre, 100 * share.value, height, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
    axes.plot([low, high], [centre, centre], color=INK, linewidth=1.2)
    axes.text(high + 1, centre, f"{100 * share.value:.1f}", va="center", color=INK, fontsize=8)
