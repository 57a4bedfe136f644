"""A table with a line a system."""

from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from sparsefront.report.fitting import FittedTable, Section
from sparsefront.report.markdown import markdown_line


@dataclass(frozen=True)
class SystemTable:
    """A table of one row a system.

    Attributes:
        title: above it.
        header: names of its columns, the system's first.
        rows: their cells.
        note: what the columns mean.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str

    def show(self, console: Console) -> None:
        """Print it; columns fall away from the right where the terminal is too narrow."""
        console.print(Text(self.title, style="bold"))
        sections = [Section(row[0], [row[1:]], [False]) for row in self.rows]
        gone = FittedTable(self.header[0], self.header[1:], sections, (), self.header[1]).show(console)
        if gone:
            console.print(Text(f"Left out for want of room: {', '.join(gone)}; see the page.", style="dim"))
        console.print(Text(f"{self.note}\n", style="dim"), soft_wrap=not console.is_terminal)

    def markdown(self) -> str:
        """The table as Markdown, ending in a newline."""
        lines = [self.header, ("---", *("---:" for _ in self.header[1:])), *self.rows]
        return "\n".join([f"**{self.title}**", "", *map(markdown_line, lines), "", self.note, ""])
