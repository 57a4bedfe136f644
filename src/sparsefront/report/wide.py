"""Several systems in a table of a line each."""

from collections.abc import Mapping, Sequence

from sparsefront.report.markdown import markdown_line
from sparsefront.report.protocol_rows import one_row_a_protocol
from sparsefront.report.row import Row
from sparsefront.report.table import NOTHING


def to_wide_markdown(rows: Mapping[str, Sequence[Row]], first: str, psnr: bool = False) -> str:
    """A line a system, a column an attack, protocol or worst case, in %.

    Args:
        rows: of the report (`rows_of`), by what the first column says of their system.
        first: heading of the first column.
        psnr: add columns of the PSNR of what the classifier sees, clean and under each attack, where it is known.
    """
    rows = {name: one_row_a_protocol(some) for name, some in rows.items()}
    attacks = dict.fromkeys(row.attack for some in rows.values() for row in some if not row.is_worst)
    worst = dict.fromkeys(row.attack for some in rows.values() for row in some if row.is_worst)
    last = next(iter(rows.values()))[-1].attack
    columns = [*attacks, *(name for name in worst if name != last), last]
    qualities = list(dict.fromkeys(name for some in rows.values() for name in _psnr(some))) if psnr else []
    header = [first, "n", "clean", *columns, *(f"PSNR {name}" for name in qualities)]
    lines = [header, ["---", *("---:" for _ in header[1:])]]
    for name, some in rows.items():
        robust = {row.attack: f"{100 * row.robust.value:.1f}" for row in some if row.robust is not None}
        robust |= {row.attack: NOTHING for row in some if row.unmet}
        qualities_of_row = {key: f"{value:.1f}" for key, value in _psnr(some).items()}
        cells = [*(robust.get(key, "") for key in columns), *(qualities_of_row.get(key, "") for key in qualities)]
        lines.append([name, str(some[0].n), f"{100 * some[0].clean.value:.1f}", *cells])
    text = "".join(f"{markdown_line(line)}\n" for line in lines) + "\n% of n samples right"
    if qualities:
        text += "; PSNR in dB of what the classifier sees of the attacked samples, against the clean images"
    return f"{text}; the CSV file has intervals, sizes and costs.\n"


def _psnr(rows: Sequence[Row]) -> dict[str, float]:
    """PSNR in dB of what the classifier sees of clean images, then of each attack's, by name."""
    known = {row.attack: row.psnr for row in rows if row.psnr is not None}
    adversarial = {name: pair[1] for name, pair in known.items()}
    return {"clean": next(iter(known.values()))[0], **adversarial} if known else {}
