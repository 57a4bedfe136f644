"""What is taken over from interrupted evaluations."""

from pathlib import Path
from typing import NamedTuple

from sparsefront.results.cost import Cost
from sparsefront.results.samples import Samples


class ResumedRows(NamedTuple):
    """Rows and costs of one or several evaluations that were interrupted, each of which may have gone on from others.

    Attributes:
        samples: the rows, each sample once.
        places: by sample index, the place of its row in `samples`.
        results: by sample index, the folder of results that its adversarial images are in.
        lines: the rows as they were written.
        parts: what each evaluation cost, by attack.
        costs: the same, summed.
    """

    samples: Samples
    places: dict[int, int]
    results: dict[int, Path]
    lines: list[list[str]]
    parts: dict[str, dict[str, Cost]]
    costs: dict[str, Cost]
