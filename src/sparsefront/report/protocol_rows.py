"""Protocols as one row each, for tables that have a column an attack."""

from collections.abc import Iterable
from dataclasses import replace

from sparsefront.report.row import Row


def one_row_a_protocol(rows: Iterable[Row]) -> list[Row]:
    """Rows of one system, with what a protocol (`quick.apgd_ce`, `quick.search`, ...) left in the end in its place.

    Each of its attacks met what those before it left, and its share is of what all of them left: the last that met a
    sample has all. Where one of them failed, the protocol has no share but the error. What classifiers see is said by
    the first, which met all samples that are right.
    """
    kept: dict[str, Row] = {}
    for row in rows:
        protocol = row.chain if row.chain and row.attack.startswith(f"{row.chain}.") else None
        if protocol is None:
            kept[row.attack] = row
            continue
        first = kept.setdefault(protocol, replace(row, attack=protocol))
        if row.error is not None or (first.error is None and row.robust is not None):
            kept[protocol] = replace(first, robust=row.robust, error=row.error)
    return list(kept.values())
