"""Reads the rows of evaluations that have not ended."""

import csv
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from sparsefront.evaluation.partial import DIGEST, PART, TAKEN, digest_of, key_of
from sparsefront.evaluation.taken import Taken
from sparsefront.results.cost import Cost


def finished(folder: Path, stage: str, same: Mapping[str, Any]) -> Taken:
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
    found = sorted(folder.rglob(f"results/{stage}_partial/about.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise ValueError(
            f"`resume_from` must hold an interrupted evaluation (results/{stage}_partial), found none in {folder}."
        )
    abouts = {path: _about(path) for path in found}
    fitting = {path: about for path, about in abouts.items() if about is not None and not _different(about, same)}
    if not fitting:
        _refuse(abouts, same)
    taken = Taken({}, {}, [], {}, {})
    for path, about in fitting.items():
        for line, row in _rows(path.parent, same):
            index = int(row["index"])
            if index not in taken.rows:
                taken.rows[index], taken.results[index] = row, path.parents[1]
                taken.lines.append(line)
        taken.parts[str(about.get(PART))] = _own_costs(path.parent)
    for about in fitting.values():
        for part, shares in about.get(TAKEN, {}).items():
            taken.parts.setdefault(part, {name: Cost(**cost) for name, cost in shares.items()})
    for shares in taken.parts.values():
        for name, cost in shares.items():
            taken.costs[name] = taken.costs.get(name, Cost()).plus(cost)
    return taken


def _about(path: Path) -> dict[str, Any] | None:
    """None if it is damaged."""
    try:
        about = json.loads(path.read_text())
    except (ValueError, OSError):
        return None
    return about if isinstance(about, dict) else None


def _different(about: Mapping[str, Any], same: Mapping[str, Any]) -> list[str]:
    return [key for key in same if about.get(key) != same[key]]


def _refuse(abouts: Mapping[Path, Mapping[str, Any] | None], same: Mapping[str, Any]) -> None:
    path, about = list(abouts.items())[-1]  # the newest
    if about is None:
        raise ValueError(
            f"`resume_from` must say what its rows are of, found {path} damaged; evaluate anew without it."
        )
    raise ValueError(
        f"`resume_from` must be an evaluation of the same model and attacks, found other "
        f"{' and '.join(_different(about, same))} in {path.parent}; evaluate anew without it."
    )


def _rows(home: Path, same: Mapping[str, Any]) -> Iterator[tuple[list[str], dict[str, float]]]:
    """Whole rows of all processes: not a line that was being written, nor rows that an attack failed on."""
    for path in sorted(home.glob("rows.*.csv")):
        text = path.read_text(errors="replace")
        lines = list(csv.reader(text[: text.rfind("\n") + 1].splitlines()))
        header = lines[0] if lines else [DIGEST]
        if header[-1] != DIGEST:
            raise ValueError(
                f"`resume_from` must hold rows with the columns of this version, found none called {DIGEST} in {path}; "
                "evaluate anew without it."
            )
        key = key_of(same, header)
        verdicts = [name for name in header if name.endswith("/pred")]
        for line in lines[1:]:
            if len(line) != len(header):
                continue
            if digest_of(line[:-1], key) != line[-1]:
                raise ValueError(
                    f"`resume_from` must hold rows as they were written, found a changed one of sample {line[0]} in "
                    f"{path}; delete that line to have the sample attacked again."
                )
            cells = zip(header[:-1], line[:-1], strict=True)
            row = {name: float(text) if text else torch.nan for name, text in cells}
            if all(row[name] == row[name] for name in verdicts):
                yield line, row


def _own_costs(home: Path) -> dict[str, Cost]:
    """What an evaluation cost itself, over its processes; what cannot be read is named and not counted."""
    shares = []
    for path in sorted(home.glob("costs.*.json")):
        try:
            read = json.loads(path.read_text())
            shares.append({name: Cost(**{key: +value for key, value in cost.items()}) for name, cost in read.items()})
        except (ValueError, TypeError, AttributeError, OSError):
            warnings.warn(f"{path} is damaged: the table does not count what it said of costs.", stacklevel=4)
    names = {name for share in shares for name in share}
    return {name: Cost.over_processes([share[name] for share in shares if name in share]) for name in names}
