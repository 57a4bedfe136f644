"""What the runs of a system that differ in their seeds alone reach on average: a table, and its numbers as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from sparsefront.report.protocol_rows import one_row_a_protocol
from sparsefront.report.row import CLEAN, WORST, Row, rows_of
from sparsefront.report.seed_mean import SeedMean
from sparsefront.report.system_table import SystemTable
from sparsefront.results.run import Run

NOTE = (
    "mean ± standard deviation over seeds (n - 1 in the denominator) of the % of all samples right, each seed counting "
    "once; it says how seeds differ, not how few samples each was evaluated on, which the intervals of the rows above "
    "say; in parentheses what does not enter the worst case; n: of so many seeds, where the attack ran to its end and "
    "met samples in some only"
)
CSV_HEADER = ("system", "attack", "seeds", "mean", "standard_deviation", "lowest", "highest", "in_worst_case")


@dataclass(frozen=True)
class SeedRow:
    """One attack on one system, or none, or a worst case, over seeds.

    Attributes:
        attack: name as in the rows of each seed, or the protocol's; `CLEAN` without attack.
        right: the share of all samples right.
        in_worst_case: whether the attack enters the worst case.
    """

    attack: str
    right: SeedMean
    in_worst_case: bool = True


@dataclass(frozen=True)
class SystemOverSeeds:
    """One system's rows over seeds.

    Attributes:
        system: its name without a seed.
        n_seeds: count of its runs.
        rows: without attack, the worst case, each attack, and what other worst cases there are.
    """

    system: str
    n_seeds: int
    rows: tuple[SeedRow, ...]


def over_seeds(runs: Sequence[Run]) -> list[SystemOverSeeds]:
    """Each system of which there are runs of several seeds (`Run.seedless_name`), from the rows of its runs."""
    runs_of: dict[str, list[Run]] = {}
    for run in runs:
        if run.seedless_name is not None:
            runs_of.setdefault(run.seedless_name, []).append(run)
    return [SystemOverSeeds(name, len(some), _seed_rows(some)) for name, some in runs_of.items() if len(some) > 1]


def _seed_rows(runs: Sequence[Run]) -> tuple[SeedRow, ...]:
    rows_of_runs = [one_row_a_protocol(rows_of(run)) for run in runs]
    rows_by_attack: dict[str, list[Row]] = {}
    # The worst case first: a narrow terminal leaves out columns from the right.
    for row in sorted(chain(*rows_of_runs), key=lambda row: (row.attack != WORST, row.is_worst)):
        rows_by_attack.setdefault(row.attack, []).append(row)
    seed_rows = [SeedRow(CLEAN, SeedMean(tuple(rows[0].clean.value for rows in rows_of_runs)))]
    for attack, rows in rows_by_attack.items():
        if shares := tuple(row.robust.value for row in rows if row.robust is not None):
            seed_rows.append(SeedRow(attack, SeedMean(shares), rows[0].in_worst_case))
    return tuple(seed_rows)


def seed_tables(runs: Sequence[Run]) -> list[SystemTable]:
    """The table over seeds, a line a system; none where there is no system with several."""
    if not (systems := over_seeds(runs)):
        return []
    attacks = list(dict.fromkeys(row.attack for system in systems for row in system.rows))
    header = ("system", "seeds", *("clean" if attack == CLEAN else attack for attack in attacks))
    return [SystemTable("Mean over seeds", header, tuple(_line(system, attacks) for system in systems), NOTE)]


def _line(system: SystemOverSeeds, attacks: Sequence[str]) -> tuple[str, ...]:
    cells = {row.attack: _cell(row, system.n_seeds) for row in system.rows}
    return (system.system, str(system.n_seeds), *(cells.get(attack, "") for attack in attacks))


def _cell(row: SeedRow, n_seeds: int) -> str:
    text = str(row.right) if row.right.n == n_seeds else f"{row.right}, n = {row.right.n}"
    return text if row.in_worst_case else f"({text})"


def seeds_to_csv(runs: Sequence[Run]) -> str | None:
    """The numbers in full as CSV, shares in [0, 1], for other programs; None where no system has several seeds."""
    if not (systems := over_seeds(runs)):
        return None
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for system in systems:
        for row in system.rows:
            right = row.right
            numbers = [right.n, right.mean, right.deviation, right.lowest, right.highest]
            writer.writerow([system.system, row.attack, *numbers, row.in_worst_case])
    return file.getvalue()
