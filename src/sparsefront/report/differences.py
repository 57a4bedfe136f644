"""Whether systems differ in their worst cases, in plain sentences."""

from collections.abc import Sequence

import numpy as np

from sparsefront.common.joined_words import joined_words
from sparsefront.results.paired_test import PairedTest
from sparsefront.results.run import Run

CHANCE = 0.05  # p from which on a difference is none
_TEST = "by McNemar's exact test"


def differences(runs: Sequence[Run]) -> list[str]:
    """A sentence for each system but the first: whether its worst case is another than the first's.

    Compared sample by sample, by McNemar's exact test; systems that were not evaluated on the same samples are not.
    Runs that differ in their seeds alone (`Run.seedless_name`) are one system, which is compared seed by seed with the
    same seed of the first, or with its only run; then a difference is one that every seed shows in the same direction.
    """
    systems: dict[str, list[Run]] = {}
    for run in runs:
        systems.setdefault(run.name if run.seedless_name is None else run.seedless_name, []).append(run)
    first, *others = systems or [""]
    sentences = []
    for system in others:
        pairs = [(run, other) for run in systems[system] for other in systems[first] if _comparable(run, other)]
        if len(pairs) == 1 and not any(run.seed for run in pairs[0]):
            sentences.append(_sentence(*pairs[0]))
        elif pairs:
            sentences.append(_by_seed(system, first, pairs))
    return sentences


def _comparable(run: Run, other: Run) -> bool:
    same_seed = run.seed == other.seed or "" in (run.seed, other.seed)
    return bool(same_seed and run.judging and other.judging) and _on_the_same_samples(run, other)


def _sentence(run: Run, first: Run) -> str:
    test = _test(run, first)
    counts = f"{test.first_alone} stand with {run.name} alone and {test.second_alone} with {first.name} alone"
    where = f"In the worst case on the same {run.n} samples {counts}"
    p = f"p = {test.p:.2g} {_TEST}"
    return f"{where}: {p}." if test.p < CHANCE else f"{where}: no difference that these samples show ({p})."


def _by_seed(system: str, first: str, pairs: Sequence[tuple[Run, Run]]) -> str:
    tests = {run.seed or other.seed: _test(run, other) for run, other in pairs}
    told = [f"{one.first_alone} and {one.second_alone} with {seed} (p = {one.p:.2g})" for seed, one in tests.items()]
    counts = joined_words(dict.fromkeys(run.n for run, _ in pairs))
    signs = {np.sign(test.first_alone - test.second_alone) if test.p < CHANCE else 0 for test in tests.values()}
    shown = "a difference" if signs in ({1}, {-1}) else "no difference that these samples show"
    return (
        f"In the worst case on the same {counts} samples stand with {system} alone and with {first} alone "
        f"{joined_words(told)}: {shown} with every seed, {_TEST}."
    )


def _test(run: Run, other: Run) -> PairedTest:
    first, second = (one.samples.worst([attack.name for attack in one.judging]) for one in (run, other))
    return PairedTest.of(first, second)


def _on_the_same_samples(run: Run, other: Run) -> bool:
    same = run.provenance["data"] == other.provenance["data"] and run.stage == other.stage and run.n == other.n
    columns = ((one.samples.columns["index"], one.samples.columns["label"]) for one in (run, other))
    return same and all(np.array_equal(mine, theirs) for mine, theirs in zip(*columns, strict=True))
