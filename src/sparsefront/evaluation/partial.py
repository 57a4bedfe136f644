"""The rows of an evaluation that has not ended, kept so that another run goes on from them."""

import csv
import hashlib
import json
import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparsefront.common.atomic_file import write_atomically, writing
from sparsefront.data.batch import Batch
from sparsefront.evaluation.fingerprint import image_numbers
from sparsefront.evaluation.taken import Taken
from sparsefront.results.cost import Cost
from sparsefront.results.samples import Samples, cell

IMAGE = "image"  # the column of what image a row is about
DIGEST = "digest"  # of the row, in its evaluation
PART, TAKEN = "part", "taken"  # in about.json: this part's own name, and what the parts before it cost


class Partial:
    """Appends the rows of each batch to `<results>/<stage>_partial/rows.<rank>.csv`, with costs beside them.

    Every row ends in a digest of itself and of the evaluation. Rows that are taken over are there from the beginning.

    Args:
        results: the run's folder of results.
        stage: val or test.
        columns: of every row.
        same: the fingerprint, kept beside the rows.
        rank: of this process.
        taken: what the evaluation goes on from.
        repeated: leave it to `add` to write the rows that are taken over, each when its images are taken over, too.
    """

    def __init__(
        self,
        results: Path,
        stage: str,
        columns: Sequence[str],
        same: Mapping[str, Any],
        rank: int,
        taken: Taken | None = None,
        repeated: bool = False,
    ) -> None:
        self.folder, self.columns = results / f"{stage}_partial", [*columns, IMAGE, DIGEST]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._key, self._rank = key_of(same, self.columns), rank
        self._before = taken.costs if taken is not None and rank == 0 else {}
        self.repeated = repeated
        if rank == 0:
            parts = {} if taken is None else taken.parts
            costs = {part: {name: vars(cost) for name, cost in shares.items()} for part, shares in parts.items()}
            about = {**same, PART: uuid.uuid4().hex, TAKEN: costs}
            write_atomically(self.folder / "about.json", json.dumps(about))
        self._file, self._costs = self.folder / f"rows.{rank}.csv", self.folder / f"costs.{rank}.json"
        kept = taken.lines if taken is not None and rank == 0 and not repeated else []
        self._write([self.columns, *kept], "w")

    def add(self, samples: Samples, images: Tensor, costs: Mapping[str, Cost]) -> None:
        """Write the rows of one batch of images (B, C, H, W); the columns of attacks that failed stay empty."""
        empty = torch.full((len(samples),), torch.nan)
        filled = samples.columns | {IMAGE: image_numbers(images)}
        columns = [filled.get(name, empty).tolist() for name in self.columns[:-1]]
        rows = [[cell(value) for value in row] for row in zip(*columns, strict=True)]
        self._write([[*row, digest_of(row, self._key)] for row in rows], "a")
        own = {name: cost.less(self._before.get(name, Cost())) for name, cost in costs.items()}
        write_atomically(self._costs, json.dumps({name: vars(cost) for name, cost in own.items()}))

    def _write(self, rows: Iterable[Sequence[str]], mode: str) -> None:
        with writing(self._file), self._file.open(mode, newline="") as file:
            csv.writer(file).writerows(rows)

    def remove(self) -> None:
        """Remove the folder: the results are whole."""
        shutil.rmtree(self.folder, ignore_errors=True)


def key_of(same: Mapping[str, Any], columns: Sequence[str]) -> str:
    """What the rows of one evaluation have in common: its fingerprint, and what their columns mean."""
    text = json.dumps([{key: same[key] for key in sorted(same)}, list(columns)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(row: Sequence[str], key: str) -> str:
    """16 hexadecimal digits for the cells of a row, all but this one."""
    return hashlib.sha256("\n".join([key, *row]).encode()).hexdigest()[:16]


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
