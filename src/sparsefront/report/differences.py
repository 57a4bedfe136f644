"""Whether systems differ in their worst cases, in plain sentences."""

from collections.abc import Sequence

import numpy as np

from sparsefront.results.paired_test import PairedTest
from sparsefront.results.run import Run

CHANCE = 0.05  # p from which on a difference is none


def differences(runs: Sequence[Run]) -> list[str]:
    """A sentence for each system but the first: whether its worst case is another than the first's.

    Compared sample by sample, by McNemar's exact test; systems that were not evaluated on the same samples are not.
    """
    if not runs or not runs[0].judging:
        return []
    return [_sentence(run, runs[0]) for run in runs[1:] if run.judging and _on_the_same_samples(run, runs[0])]


def _sentence(run: Run, first: Run) -> str:
    test = PairedTest.of(*(one.samples.worst([attack.name for attack in one.judging]) for one in (run, first)))
    counts = f"{test.first_alone} stand with {run.name} alone and {test.second_alone} with {first.name} alone"
    where = f"In the worst case on the same {run.n} samples {counts}"
    p = f"p = {test.p:.2g} by McNemar's exact test"
    return f"{where}: {p}." if test.p < CHANCE else f"{where}: no difference that these samples show ({p})."


def _on_the_same_samples(run: Run, other: Run) -> bool:
    same = run.provenance["data"] == other.provenance["data"] and run.stage == other.stage and run.n == other.n
    columns = ((one.samples.columns["index"], one.samples.columns["label"]) for one in (run, other))
    return same and all(np.array_equal(mine, theirs) for mine, theirs in zip(*columns, strict=True))
