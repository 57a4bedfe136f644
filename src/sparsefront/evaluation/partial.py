"""Rows of an evaluation that has not ended, kept so that another run can go on from them."""

import csv
import hashlib
import json
import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsefront.common.atomic_file import write_atomically, writing
from sparsefront.data.batch import Batch
from sparsefront.evaluation.resumed_rows import ResumedRows
from sparsefront.model.described import image_numbers
from sparsefront.results.cost import Cost
from sparsefront.results.samples import Samples

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
        resumed: what the evaluation goes on from.
        repeated: leave it to `add` to write the rows that are taken over, each when its images are taken over, too.
    """

    def __init__(
        self,
        results: Path,
        stage: str,
        columns: Sequence[str],
        same: Mapping[str, Any],
        rank: int,
        resumed: ResumedRows | None = None,
        repeated: bool = False,
    ) -> None:
        self.folder, self.columns = results / f"{stage}_partial", [*columns, IMAGE, DIGEST]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._key, self._rank = key_of(same, self.columns), rank
        self._before = resumed.costs if resumed is not None and rank == 0 else {}
        self.repeated = repeated
        if rank == 0:
            parts = {} if resumed is None else resumed.parts
            costs = {part: {name: vars(cost) for name, cost in by_attack.items()} for part, by_attack in parts.items()}
            about = {**same, PART: uuid.uuid4().hex, TAKEN: costs}
            write_atomically(self.folder / "about.json", json.dumps(about))
        self._file, self._costs = self.folder / f"rows.{rank}.csv", self.folder / f"costs.{rank}.json"
        kept = resumed.lines if resumed is not None and rank == 0 and not repeated else []
        self._write([self.columns, *kept], "w")

    def add(self, samples: Samples, images: Tensor, costs: Mapping[str, Cost]) -> None:
        """Write the rows of one batch of images (B, C, H, W); the columns of attacks that failed stay empty."""
        rows = Samples(samples.columns | {IMAGE: image_numbers(images).numpy()}).cells(self.columns[:-1])
        self._write([[*row, digest_of(row, self._key)] for row in rows], "a")
        since = {name: cost.less(self._before.get(name, Cost())) for name, cost in costs.items()}
        write_atomically(self._costs, json.dumps({name: vars(cost) for name, cost in since.items()}))

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


def split(batch: Batch, resumed: ResumedRows) -> tuple[Tensor, Samples]:
    """Bool (B,) of the samples without a row, and the rows of the others.

    Raises:
        ValueError: a row is about another image or label than the batch has under its number.
    """
    places = [resumed.places.get(index) for index in batch.index.tolist()]
    new = torch.tensor([place is None for place in places], dtype=torch.bool)
    known = resumed.samples.rows([place for place in places if place is not None])
    if not len(known):
        return new, Samples()
    images = image_numbers(batch.image[~new.to(batch.image.device)]).numpy()
    labels = batch.label.cpu()[~new].numpy()
    others = (known.columns[IMAGE] != images) | (known.columns["label"] != labels)
    if others.any():
        raise ValueError(
            f"`resume_from` must be an evaluation of the same data, found another image or label under sample "
            f"{int(known.columns['index'][others.argmax()])}; evaluate anew without it."
        )
    numbers = np.dtype(np.float64 if batch.image.dtype == torch.float64 else np.float32)
    columns = {name: _typed(name, column, numbers) for name, column in known.columns.items() if name != IMAGE}
    return new, Samples(columns)


def _typed(name: str, column: np.ndarray, numbers: np.dtype) -> np.ndarray:
    """A column of numbers read from a file, as `AttackRun` makes it of images in this precision."""
    if name == "fell" or name.endswith("/success"):
        return column.astype(np.bool_)
    return column.astype(np.int64 if name in ("index", "label") or name.endswith("pred") else numbers)
