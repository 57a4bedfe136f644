"""The table as text: printed, Markdown, CSV."""

import csv
import io
from collections.abc import Callable, Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from sparsefront.report.fitting import FittedTable, Section
from sparsefront.report.markdown import markdown_line, markdown_text
from sparsefront.report.row import Row
from sparsefront.results.share import Share

#: What the columns mean, in one sentence.
CAPTION = (
    "clean, robust: % of all samples right without and under attack, in parentheses under a control or an attack of "
    "any size, which do not enter the worst case, and – where it met no sample; interval: 95 % Wilson interval of "
    "robust; success: % of the samples that were right for which the attack reached its goal; Linf, L2: mean size over "
    "the successful samples, pixels in [0, 1], and ~ its median; PSNR (dB), SSIM: of what the classifier sees of clean "
    "/ adversarial images, against the clean ones; forward, backward: images through the model and gradients "
    "for each sample attacked; s: seconds"
)
CSV_HEADER = (
    *("system", "attack", "knowledge", "adversary", "n", "clean", "clean_low", "clean_high"),
    *("robust", "robust_low", "robust_high", "success"),
    *("linf_mean_successful", "l2_mean_successful", "linf_median_successful", "l2_median_successful"),
    *("psnr_clean", "psnr_adversarial", "ssim_clean", "ssim_adversarial"),
    *("forwards_per_sample", "backwards_per_sample", "seconds", "error", "in_worst_case", "attacked"),
)
NOTHING = "–"  # of an attack that no sample was left for


def _percent(share: Share | None) -> str:
    return "" if share is None else f"{100 * share.value:.1f}"


def _robust(row: Row) -> str:
    if row.error:
        return "failed"
    if row.unmet:
        return NOTHING
    return _percent(row.robust) if row.in_worst_case else f"({_percent(row.robust)})"


def _interval(share: Share | None) -> str:
    return "" if share is None else "{:.1f}-{:.1f}".format(*(100 * end for end in share.interval))


def _size(mean: float | None, median: float | None) -> str:
    """Mean and, where it differs once rounded, median."""
    texts = ["" if size is None else f"{size:#.3g}".rstrip(".") for size in (mean, median)]
    return texts[0] if texts[0] == texts[1] else " ~".join(texts)


def _pair(pair: tuple[float, float] | None, digits: int) -> str:
    return "" if pair is None else " / ".join(f"{value:.{digits}f}" for value in pair)


def _count(number: float | None) -> str:
    return "" if number is None else f"{number:.0f}"


def adversary(row: Row) -> str:
    """Who attacks; of a worst case, over how many attacks it is and what it does not rest on."""
    return ", ".join(word for word in (row.adversary, *row.lacking) if word)


_COLUMNS: dict[str, Callable[[Row], str]] = {
    "attack": lambda row: row.attack,
    "adversary": adversary,
    "n": lambda row: str(row.n),
    "clean": lambda row: _percent(row.clean),
    "robust": _robust,
    "interval": lambda row: NOTHING if row.unmet else _interval(row.robust),
    "success": lambda row: NOTHING if row.unmet else _percent(row.success),
    "Linf": lambda row: _size(row.linf, row.linf_median),
    "L2": lambda row: _size(row.l2, row.l2_median),
    "PSNR": lambda row: _pair(row.psnr, 1),
    "SSIM": lambda row: _pair(row.ssim, 2),
    "forward": lambda row: _count(row.forwards),
    "backward": lambda row: _count(row.backwards),
    "s": lambda row: "" if row.seconds is None else f"{row.seconds:.1f}",
}
HEADER = ("system", *_COLUMNS)
TEXT_COLUMNS = ("system", "attack", "adversary")
LAST = "robust"  # column that a terminal shows as long as it can
SPARE = ("n", "adversary", "clean")  # columns before it that fall away where it could not


def cells(row: Row) -> tuple[str, ...]:
    """The row's cells in the order of `HEADER`, percentages with one decimal, blank where there is nothing to say."""
    return (row.system, *(column(row) for column in _COLUMNS.values()))


def failures(rows: Sequence[Row]) -> list[str]:
    """A sentence for each row without a result."""
    return [f"{row.system}, {row.attack}: failed: {row.error}" for row in rows if row.error is not None]


def print_table(rows: Sequence[Row], console: Console | None = None) -> None:
    """Print the rows, a section a system, the worst case in bold, then what failed and what the columns mean."""
    console = console or Console()
    sections = [
        Section(system, [cells(row)[1:] for row in group], [row.is_worst for row in group])
        for system, group in ((name, list(some)) for name, some in groupby(rows, key=lambda row: row.system))
    ]
    gone = FittedTable(HEADER[0], HEADER[1:], sections, TEXT_COLUMNS[2:], LAST, SPARE).show(console)
    for sentence in failures(rows):
        console.print(Text(sentence, style="red"), soft_wrap=True)
    if gone:
        console.print(Text(f"Left out for want of room: {', '.join(gone)}; see the page, or `--table`.", style="dim"))
    console.print(Text(CAPTION, style="dim"), soft_wrap=not console.is_terminal)


def to_markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, ending in a newline, with the failures below it."""
    lines = [HEADER, tuple("---" if name in TEXT_COLUMNS else "---:" for name in HEADER), *map(cells, rows)]
    table = [markdown_line(line) for line in lines]
    return "\n".join([*table, "", *(f"- {markdown_text(sentence)}" for sentence in failures(rows)), CAPTION, ""])


def to_csv(rows: Sequence[Row], first: str = "system") -> str:
    """The rows as CSV with counts and shares in [0, 1] in full, for other programs.

    Args:
        rows: of one or several systems.
        first: heading of the column of their systems.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([first, *CSV_HEADER[1:]])
    for row in rows:
        success = "" if row.success is None else row.success.value
        sizes = [row.linf, row.l2, row.linf_median, row.l2_median]
        qualities = [*(row.psnr or ("", "")), *(row.ssim or ("", ""))]
        costs = [row.forwards, row.backwards, row.seconds]
        numbers = [*_full(row.clean), *_full(row.robust), success, *sizes, *qualities, *costs]
        ends = [row.error, row.in_worst_case, row.attacked]
        writer.writerow([row.system, row.attack, row.knowledge, adversary(row), row.n, *numbers, *ends])
    return file.getvalue()


def _full(share: Share | None) -> tuple[float | str, ...]:
    return ("", "", "") if share is None else (share.value, *share.interval)
