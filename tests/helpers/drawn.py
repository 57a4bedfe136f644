"""What a figure shows, to be compared with what it was drawn from."""

import io
from typing import Any

from sparsefront.report.row import Row
from sparsefront.results.share import Share


def drawn_texts(figure: Any) -> list[str]:
    """The texts beside the axes' own, once the figure was drawn."""
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def drawn_lines(axes: Any) -> dict[str, Any]:
    """The points of each line, by its label."""
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def a_row(hits, psnr=None, attack="gray", system="a", clean=9, **more):
    """A row of the report of which `hits` of ten samples stand."""
    knowledge = "gray_box" if attack == "gray" else "white_box"
    return Row(system, attack, knowledge, "", Share(clean, 10), robust=Share(hits, 10), psnr=psnr, **more)
