"""A table in the width of a terminal."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

PLAIN_WIDTH = 190  # letters of a line when the output is no terminal; more where the table needs them
SHORTEST = 8  # letters that a name is folded to at the least


@dataclass(frozen=True)
class Section:
    """Rows that belong together.

    Attributes:
        title: of what they are about.
        rows: their cells.
        bold: of each row, whether it stands out.
    """

    title: str
    rows: Sequence[Sequence[str]]
    bold: Sequence[bool]


@dataclass(frozen=True)
class _Layout:
    """How a table is laid out.

    Attributes:
        beside: whether the titles stand beside the rows, not above them.
        gap: blanks between columns.
        widths: of the columns shown, in their order.
    """

    beside: bool
    gap: int
    widths: dict[str, int]


class FittedTable:
    """A table whose columns fall away from the right where a terminal is too narrow for them.

    No digit and no name is ever cut. Titles of sections move above their rows, and rows that stand out wrap their
    words, before a column falls away. Where not even the columns that count fit, all words are wrapped, then `spare`
    columns fall away, and last of all names are folded. What is no terminal gets all of it, a row a line.

    Args:
        first: heading of the titles.
        header: of the other columns; names in the first, which always stays.
        sections: the rows.
        words: headings of further columns that hold words, which may be wrapped.
        last: heading of the last column that counts.
        spare: headings of columns before it that may fall away all the same, in this order.
    """

    def __init__(
        self,
        first: str,
        header: Sequence[str],
        sections: Sequence[Section],
        words: Sequence[str],
        last: str,
        spare: Sequence[str] = (),
    ) -> None:
        self.first, self.header, self.sections = first, list(header), list(sections)
        self.words, self.last, self.spare = list(words), last, list(spare)

    def show(self, console: Console) -> list[str]:
        """Print it; returns the headings of the columns that were left out."""
        layout = _Layout(True, 2, {name: self._natural(name) for name in self.header})
        if console.is_terminal:
            layout = self._fitted(console.width)
        else:
            console = Console(file=console.file, width=max(PLAIN_WIDTH, self._total(layout)))
        for sections in [self.sections] if layout.beside else [[section] for section in self.sections]:
            if not layout.beside:
                console.print(Text(sections[0].title, style="bold", overflow="fold"))
            console.print(self._table(sections, layout))
        return [name for name in self.header if name not in layout.widths]

    def _table(self, sections: Sequence[Section], layout: _Layout) -> Table:
        look = {"show_edge": False, "pad_edge": False, "padding": (0, layout.gap - 1, 0, 0)}
        table = Table(box=box.SIMPLE_HEAD, **look)  # type: ignore[arg-type]
        if layout.beside:
            table.add_column(Text(self.first), width=self._title)
        for name, width in layout.widths.items():
            right = name not in (self.header[0], *self.words)
            table.add_column(Text(name), justify="right" if right else "left", overflow="fold", width=width)
        places = [self.header.index(name) for name in layout.widths]
        for section in sections:
            for number, (row, bold) in enumerate(zip(section.rows, section.bold, strict=True)):
                title = [Text(section.title if number == 0 else "")] if layout.beside else []
                cells = [Text(row[place], overflow="fold") for place in places]  # Text, because names are no markup
                table.add_row(*title, *cells, style="bold" if bold else None)
            table.add_section()
        return table

    def _fitted(self, width: int) -> _Layout:
        fewest = self.header.index(self.last) + 1
        for count in range(len(self.header), fewest - 1, -1):
            for beside, gap, wrapped in ((True, 2, False), (True, 2, True), (False, 2, True), (False, 1, True)):
                natural = self._natural if not wrapped else self._of_plain_rows
                layout = _Layout(beside, gap, {name: natural(name) for name in self.header[:count]})
                if self._total(layout) <= width:
                    return layout
        return self._squeezed(width, self.header[:fewest])

    def _squeezed(self, width: int, shown: Sequence[str]) -> _Layout:
        """Words wrapped to their longest; then one spare column less at a time; then names folded."""
        for left_out in range(len(self.spare) + 1):
            kept = [name for name in shown if name not in self.spare[:left_out]]
            folded = {name: self._longest_word(name) for name in self.words if name in kept}
            layout = _Layout(False, 1, {name: folded.get(name, self._natural(name)) for name in kept})
            left = width - self._total(layout)
            if left >= 0:
                return _Layout(False, 1, self._widened(layout.widths, folded, left))
        name = self.header[0]
        return _Layout(False, 1, layout.widths | {name: max(SHORTEST, layout.widths[name] + left)})

    def _widened(self, widths: dict[str, int], folded: Collection[str], left: int) -> dict[str, int]:
        """The widths with what is to spare dealt out to the folded ones, from the left."""
        widened = dict(widths)
        for name in folded:
            more = min(self._natural(name) - widths[name], left)
            widened[name], left = widened[name] + more, left - more
        return widened

    @property
    def _title(self) -> int:
        return max(cell_len(self.first), *(cell_len(section.title) for section in self.sections))

    def _cells(self, name: str, bold: bool = True) -> list[str]:
        place = self.header.index(name)
        rows = [pair for section in self.sections for pair in zip(section.rows, section.bold, strict=True)]
        return [name, *(row[place] for row, stands_out in rows if bold or not stands_out)]

    def _natural(self, name: str) -> int:
        return max(map(cell_len, self._cells(name)))

    def _of_plain_rows(self, name: str) -> int:
        """Wide enough for words in rows that do not stand out, where those that do may wrap theirs."""
        plain = max(map(cell_len, self._cells(name, bold=False)))
        return max(plain, self._longest_word(name)) if name in self.words else self._natural(name)

    def _longest_word(self, name: str) -> int:
        return max(cell_len(word) for cell in self._cells(name) for word in cell.split() or [""])

    def _total(self, layout: _Layout) -> int:
        """Width of a line."""
        title = self._title + layout.gap if layout.beside else 0
        return title + sum(layout.widths.values()) + layout.gap * (len(layout.widths) - 1)
