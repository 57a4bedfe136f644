"""A figure as a part of a page."""

import html
import io
import re
import warnings
from typing import TYPE_CHECKING

from sparsefront.figures.style import INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def inline_svg(figure: "Figure", name: str, alt: str) -> str:
    """The figure as an `<svg>` element that takes on the page's text colour and asks for nothing outside it.

    Args:
        figure: the figure; its background is left out.
        name: a word unique in the page, put before every id so that no two figures share one.
        alt: what a reader who cannot see it is told.
    """
    import matplotlib as mpl

    file = io.StringIO()
    # A fixed salt gives the same bytes for the same numbers; compositing would blur pixels drawn side by side.
    with (
        mpl.rc_context({"svg.hashsalt": "sparsefront", "image.composite_image": False}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", r"Glyph .* missing from font")  # a name in a script that the font lacks
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    # Equal pictures come with equal ids; those that nothing points to can go.
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    text = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = text.replace(INK, "currentColor")
    label = html.escape(alt, quote=True)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
