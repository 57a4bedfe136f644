"""The look that all figures share."""

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


#: Colour of text and lines; the page swaps it for the text colour of its light or dark theme.
INK = "#23282f"
#: Okabe and Ito's colours, told apart by colour-blind readers and on light and dark ground.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
BAD = "#d55e00"
#: Grid and frame; half transparent, for either ground.
FAINT: dict[str, Any] = {"color": "#888888", "alpha": 0.35, "linewidth": 0.6}


LONGEST = 80  # letters of a line of a label; more would leave no room for what it names


def new_figure(size: tuple[float, float], layout: Literal["constrained"] | None = "constrained") -> "Figure":
    """An empty figure that knows of no screen.

    Args:
        size: width and height in inches.
        layout: "constrained" makes room for labels; None leaves all to who draws.
    """
    from matplotlib.figure import Figure  # here, so that who draws nothing does not wait for it

    return Figure(figsize=size, layout=layout)


def literal(text: str) -> str:
    """`text` with its dollar signs as such, for a name is no formula, and the end of long lines left out."""
    lines = [line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…" for line in text.split("\n")]
    return "\n".join(lines).replace("$", r"\$")


def dress(axes: "Axes", grid: str = "x") -> None:
    """Draw text and ticks in ink, leave the frame out, and lay a faint grid along the axis `grid`."""
    axes.set_facecolor("none")
    axes.tick_params(colors=INK, labelsize=9, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(INK)
    axes.grid(visible=True, axis="both" if grid == "both" else "x" if grid == "x" else "y", **FAINT)
    axes.set_axisbelow(True)


def legend(axes: "Axes", **options: Any) -> None:
    """A frameless legend in ink."""
    axes.legend(frameon=False, labelcolor=INK, fontsize=9, **options)
