"""What is taken over from interrupted evaluations."""

from pathlib import Path
from typing import NamedTuple

from sparsefront.results.cost import Cost


class Taken(NamedTuple):
    """Rows and costs of one or several evaluations that were interrupted, each of which may have gone on from others.

    Attributes:
        rows: by sample index.
        results: by sample index, the folder of results that its adversarial images are in.
        lines: the rows as they were written.
        parts: what each evaluation cost, by attack.
        costs: the same, summed.
    """

    rows: dict[int, dict[str, float]]
    results: dict[int, Path]
    lines: list[list[str]]
    parts: dict[str, dict[str, Cost]]
    costs: dict[str, Cost]
