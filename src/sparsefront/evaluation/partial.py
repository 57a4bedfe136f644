"""The rows of an evaluation that has not ended, kept so that another run goes on from them."""

import csv
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sparsefront.common.whole_file import write_whole, writing
from sparsefront.data.batch import Batch
from sparsefront.evaluation.fingerprint import image_numbers
from sparsefront.evaluation.meter import Cost
from sparsefront.evaluation.samples import Samples, cell

IMAGE = "image"  # the column of what image a row is about


class Taken(NamedTuple):
    """What is taken over from an interrupted evaluation.

    Attributes:
        rows: by sample index.
        costs: by attack, so far.
        results: its folder of results.
    """

    rows: dict[int, dict[str, float]]
    costs: dict[str, Cost]
    results: Path


class Partial:
    """Appends the rows of each batch to `<results>/<stage>_partial/rows.<rank>.csv`, with costs beside them.

    Args:
        results: the run's folder of results.
        stage: val or test.
        columns: of every row.
        same: the fingerprint, kept beside the rows.
        rank: of this process.
    """

    def __init__(self, results: Path, stage: str, columns: list[str], same: Mapping[str, Any], rank: int) -> None:
        self.folder, self.columns = results / f"{stage}_partial", [*columns, IMAGE]
        self.folder.mkdir(parents=True, exist_ok=True)
        if rank == 0:
            write_whole(self.folder / "about.json", json.dumps(same))
        self._file, self._costs = self.folder / f"rows.{rank}.csv", self.folder / f"costs.{rank}.json"
        self._write([self.columns], "w")

    def add(self, samples: Samples, images: Tensor, costs: Mapping[str, Cost]) -> None:
        """Write the rows of one batch of images (B, C, H, W); the columns of attacks that failed stay empty."""
        empty = torch.full((len(samples),), torch.nan)
        filled = samples.columns | {IMAGE: image_numbers(images)}
        columns = [filled.get(name, empty).tolist() for name in self.columns]
        self._write([[cell(value) for value in row] for row in zip(*columns, strict=True)], "a")
        write_whole(self._costs, json.dumps({name: vars(cost) for name, cost in costs.items()}))

    def _write(self, rows: list[list[str]], mode: str) -> None:
        with writing(self._file), self._file.open(mode, newline="") as file:
            csv.writer(file).writerows(rows)

    def remove(self) -> None:
        """Remove the folder: the results are whole."""
        shutil.rmtree(self.folder, ignore_errors=True)


def finished(folder: Path, stage: str, same: Mapping[str, Any]) -> Taken:
    """The newest interrupted evaluation in a run folder.

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
    rows = {int(row["index"]): row for path in sorted(home.glob("rows.*.csv")) for row in _read(path)}
    shares = [json.loads(path.read_text()) for path in sorted(home.glob("costs.*.json"))]
    names = {name for share in shares for name in share}
    costs = {name: Cost.over_processes([Cost(**share[name]) for share in shares]) for name in names}
    return Taken(rows, costs, home.parent)


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


def split(batch: Batch, rows: Mapping[int, Mapping[str, float]]) -> tuple[Tensor, Samples]:
    """Bool (B,) of the samples without a row, and the rows of the others.

    Raises:
        ValueError: a row is about another image or label than the batch has under its number.
    """
    indices = batch.index.tolist()
    new = torch.tensor([index not in rows for index in indices], dtype=torch.bool)
    known = [rows[index] for index in indices if index in rows]
    if not known:
        return new, Samples()
    here = torch.stack([image_numbers(batch.image[~new.to(batch.image.device)]), batch.label.cpu()[~new]], dim=1)
    for row, (image, label) in zip(known, here.tolist(), strict=True):
        if (row[IMAGE], row["label"]) != (image, label):
            raise ValueError(
                f"`resume_from` must be an evaluation of the same data, found another image or label under sample "
                f"{int(row['index'])}; evaluate anew without it."
            )
    return new, Samples({name: _column(name, [row[name] for row in known]) for name in known[0] if name != IMAGE})


def _column(name: str, values: list[float]) -> Tensor:
    column = torch.tensor(values, dtype=torch.float64)
    if name == "fell" or name.endswith("/success"):
        return column.bool()
    return column.long() if name in ("index", "label") or name.endswith("pred") else column.float()
