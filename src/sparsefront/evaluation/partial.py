"""The rows of an evaluation that has not ended, kept so that another run goes on from them."""

import csv
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sparsefront.evaluation.samples import Samples, cell

Rows = dict[int, dict[str, float]]


def fingerprint(model: nn.Module, attacks: Iterable[Mapping[str, Any]], **settings: Any) -> dict[str, Any]:
    """What must be the same for rows of one run to be rows of another: tensors, attacks, and other settings."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    entries = [{key: entry[key] for key in ("name", "attack", "view", "target")} for entry in attacks]
    return json.loads(json.dumps({"model": digest.hexdigest(), "attacks": entries, **settings}, default=str))


class Partial:
    """Appends the rows of each batch to `<results>/<stage>_partial/rows.<rank>.csv`.

    Args:
        results: the run's folder of results.
        stage: val or test.
        columns: of every row.
        same: the fingerprint, kept beside the rows.
        rank: of this process.
    """

    def __init__(self, results: Path, stage: str, columns: list[str], same: Mapping[str, Any], rank: int) -> None:
        self.folder, self.columns = results / f"{stage}_partial", columns
        self.folder.mkdir(parents=True, exist_ok=True)
        if rank == 0:
            (self.folder / "about.json").write_text(json.dumps(same))
        self._file = self.folder / f"rows.{rank}.csv"
        self._write([columns], "w")

    def add(self, samples: Samples) -> None:
        """Write the rows of one batch; the columns of attacks that failed stay empty."""
        columns = [samples.columns.get(name, torch.full((len(samples),), torch.nan)).tolist() for name in self.columns]
        self._write([[cell(value) for value in row] for row in zip(*columns, strict=True)], "a")

    def _write(self, rows: list[list[str]], mode: str) -> None:
        with self._file.open(mode, newline="") as file:
            csv.writer(file).writerows(rows)

    def remove(self) -> None:
        """Remove the folder: the results are whole."""
        shutil.rmtree(self.folder, ignore_errors=True)


def finished(folder: Path, stage: str, same: Mapping[str, Any]) -> Rows:
    """Rows by sample index of the newest interrupted evaluation in a run folder.

    Args:
        folder: a run folder, or one of its versions.
        stage: val or test.
        same: the fingerprint that they must have.

    Raises:
        ValueError: no such rows, or rows of another model, other attacks or settings.
    """
    found = sorted(folder.rglob(f"results/{stage}_partial/about.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise ValueError(
            f"`resume_from` must hold an interrupted evaluation (results/{stage}_partial), found none in {folder}."
        )
    home, about = found[-1].parent, json.loads(found[-1].read_text())
    different = [key for key in same if about.get(key) != same[key]]
    if different:
        raise ValueError(
            f"`resume_from` must be an evaluation of the same model and attacks, found other {' and '.join(different)} "
            f"in {home}; evaluate anew without it."
        )
    return {int(row["index"]): row for path in sorted(home.glob("rows.*.csv")) for row in _read(path)}


def _read(path: Path) -> list[dict[str, float]]:
    """Whole rows: not the line that was being written at the interruption, nor rows that an attack failed on."""
    text = path.read_text()
    lines = list(csv.reader(text[: text.rfind("\n") + 1].splitlines()))
    header, rows = (lines[0], lines[1:]) if lines else ([], [])
    found = [
        {name: float(text) if text else torch.nan for name, text in zip(header, row, strict=True)}
        for row in rows
        if len(row) == len(header)
    ]
    verdicts = [name for name in header if name.endswith("/pred")]
    return [row for row in found if all(row[name] == row[name] for name in verdicts)]


def split(indices: Tensor, rows: Rows) -> tuple[Tensor, Samples]:
    """Bool (B,) of the samples without a row, and the rows of the others."""
    known = [rows[index] for index in indices.tolist() if index in rows]
    new = torch.tensor([index not in rows for index in indices.tolist()], dtype=torch.bool)
    if not known:
        return new, Samples()
    return new, Samples({name: _column(name, [row[name] for row in known]) for name in known[0]})


def _column(name: str, values: list[float]) -> Tensor:
    column = torch.tensor(values, dtype=torch.float64)
    if name.endswith("/success"):
        return column.bool()
    return column.long() if name in ("index", "label") or name.endswith("pred") else column.float()
