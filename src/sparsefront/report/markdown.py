"""Text and tables in Markdown."""

import html
import re
from collections.abc import Sequence

_CODE = re.compile(r"(`[\w ./:=,-]+`)")  # what a sentence of ours names; a name's own marks are escaped
_MARKS = re.compile(r"[\\`*$|]|\](?=[(\[:])|~~|(?<![^\W_])_|_(?![^\W_])|(?<!\w)[#+-](?=\s)(?<=^.)")


def markdown_text(text: str) -> str:
    """`text` as it stands, whatever it holds: no tag, link, emphasis, formula or cell begins in it.

    Code between back quotes stays code if it is words and plain signs alone.
    """
    parts = _CODE.split(text.replace("\n", " "))
    return "".join(part if _CODE.fullmatch(part) else _escaped(part) for part in parts)


def markdown_line(cells: Sequence[str]) -> str:
    """A line of a Markdown table, its cells escaped."""
    return "| " + " | ".join(_escaped(cell.replace("\n", " ")) for cell in cells) + " |"


def _escaped(text: str) -> str:
    return _MARKS.sub(lambda found: "".join(f"\\{letter}" for letter in found[0]), html.escape(text, quote=False))
