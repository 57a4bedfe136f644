"""Reads the rows of evaluations that have not ended."""

import csv
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sparsefront.evaluation.partial import DIGEST, PART, TAKEN, digest_of, key_of
from sparsefront.evaluation.resumed_rows import ResumedRows
from sparsefront.results.cost import Cost
from sparsefront.results.result_files import columns_of
from sparsefront.results.samples import Samples

Costs = dict[str, Cost]  # by attack


def resumed_rows(folder: Path, stage: str, same: Mapping[str, Any]) -> ResumedRows:
    """All interrupted evaluations in a run folder that have a fingerprint.

    Of a sample that several have, the first is taken: it has its adversarial images, if any were kept.

    Args:
        folder: a run folder, or one of its versions.
        stage: val or test.
        same: the fingerprint.

    Raises:
        ValueError: there are none, only ones of another model, other attacks or settings, or a row that is not as it
            was written.
    """
    fitting = _fitting(folder, stage, same)
    samples: list[Samples] = []
    results: dict[int, Path] = {}
    lines: list[list[str]] = []
    for path in fitting:
        for texts, rows in _whole_rows(path.parent, same):
            indices = rows.columns["index"].astype(np.int64).tolist()
            new = [place for place, index in enumerate(indices) if index not in results]
            samples.append(rows.rows(new))
            results |= {indices[place]: path.parents[1] for place in new}
            lines += [texts[place] for place in new]
    joined = Samples.joined(samples)
    places = {int(index): place for place, index in enumerate(joined.columns["index"])} if len(joined) else {}
    parts = _costs_of_parts(fitting)
    return ResumedRows(joined, places, results, lines, parts, _summed(parts))


def _fitting(folder: Path, stage: str, same: Mapping[str, Any]) -> dict[Path, dict[str, Any]]:
    """The `about.json` of each evaluation that has the fingerprint, by its path, the oldest first."""
    paths = sorted(folder.rglob(f"results/{stage}_partial/about.json"), key=lambda path: path.stat().st_mtime)
    if not paths:
        raise ValueError(
            f"`resume_from` must hold an interrupted evaluation (results/{stage}_partial), found none in {folder}."
        )
    abouts = {path: _about(path) for path in paths}
    fitting = {path: about for path, about in abouts.items() if about is not None and not _different(about, same)}
    if not fitting:
        _refuse(paths[-1], abouts[paths[-1]], same)
    return fitting


def _about(path: Path) -> dict[str, Any] | None:
    """Content of an `about.json`; None if it is damaged."""
    try:
        about = json.loads(path.read_text())
    except (ValueError, OSError):
        return None
    return about if isinstance(about, dict) else None


def _different(about: Mapping[str, Any], same: Mapping[str, Any]) -> list[str]:
    return [key for key in same if about.get(key) != same[key]]


def _refuse(newest: Path, about: Mapping[str, Any] | None, same: Mapping[str, Any]) -> None:
    if about is None:
        raise ValueError(
            f"`resume_from` must say what its rows are of, found {newest} damaged; evaluate anew without it."
        )
    raise ValueError(
        f"`resume_from` must be an evaluation of the same model and attacks, found other "
        f"{' and '.join(_different(about, same))} in {newest.parent}; evaluate anew without it."
    )


def _whole_rows(home: Path, same: Mapping[str, Any]) -> Iterator[tuple[list[list[str]], Samples]]:
    """By process, its lines and their rows: not a line that was being written, nor rows that an attack failed on."""
    for path in sorted(home.glob("rows.*.csv")):
        text = path.read_text(errors="replace")
        header, *lines = list(csv.reader(text[: text.rfind("\n") + 1].splitlines())) or [[DIGEST]]
        if header[-1] != DIGEST:
            raise ValueError(
                f"`resume_from` must hold rows with the columns of this version, found none called {DIGEST} in {path}; "
                "evaluate anew without it."
            )
        lines = [line for line in lines if len(line) == len(header)]
        _check_digests(path, lines, key_of(same, header))
        verdicts = [place for place, name in enumerate(header) if name.endswith("/pred")]
        lines = [line for line in lines if all(line[place] for place in verdicts)]
        if lines:
            yield lines, Samples(columns_of(header[:-1], [line[:-1] for line in lines]))


def _check_digests(path: Path, lines: list[list[str]], key: str) -> None:
    for line in lines:
        if digest_of(line[:-1], key) != line[-1]:
            raise ValueError(
                f"`resume_from` must hold rows as they were written, found a changed one of sample {line[0]} in "
                f"{path}; delete that line to have the sample attacked again."
            )


def _costs_of_parts(fitting: Mapping[Path, Mapping[str, Any]]) -> dict[str, Costs]:
    """What each evaluation cost, and each of those that it had gone on from, once."""
    parts = {str(about.get(PART)): _costs(path.parent) for path, about in fitting.items()}
    for about in fitting.values():
        for part, costs in about.get(TAKEN, {}).items():
            parts.setdefault(part, {name: Cost(**cost) for name, cost in costs.items()})
    return parts


def _costs(home: Path) -> Costs:
    """What one evaluation cost itself, over its processes; what cannot be read is named and not counted."""
    processes = []
    for path in sorted(home.glob("costs.*.json")):
        try:
            read = json.loads(path.read_text())
            processes.append(
                {name: Cost(**{key: +value for key, value in cost.items()}) for name, cost in read.items()}
            )
        except (ValueError, TypeError, AttributeError, OSError):
            warnings.warn(f"{path} is damaged: the table does not count what it said of costs.", stacklevel=4)
    names = {name for costs in processes for name in costs}
    return {name: Cost.over_processes([costs[name] for costs in processes if name in costs]) for name in names}


def _summed(parts: Mapping[str, Costs]) -> Costs:
    summed: Costs = {}
    for costs in parts.values():
        for name, cost in costs.items():
            summed[name] = summed.get(name, Cost()).plus(cost)
    return summed
