"""Reading the files of a run folder."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from sparsefront.report.attack_record import AttackRecord

Columns = dict[str, np.ndarray]
STAGES = ("test", "val")


def locate(folder: Path, stages: Sequence[str]) -> tuple[Path, str]:
    """The folder and stage that have results: the folder itself, else its newest version; the first stage there is.

    Raises:
        FileNotFoundError: there is no folder, or no results in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"The run folder {folder} is not there; give the folder that `sparsefront` wrote to.")
    versions = [path for path in folder.glob("version_*") if path.name.removeprefix("version_").isdigit()]
    versions.sort(key=lambda path: int(path.name.removeprefix("version_")), reverse=True)
    for home in (folder, *versions):
        for stage in stages:
            if (home / "results" / f"{stage}_samples.csv").is_file():
                return home, stage
    names = " or ".join(f"{stage}_samples.csv" for stage in stages)
    verbs = " or ".join("validate" if stage == "val" else stage for stage in stages)
    raise FileNotFoundError(f"{folder / 'results'} holds no {names}; `sparsefront {verbs} --config ...` writes one.")


def read_about(path: Path, stage: str) -> dict[str, Any]:
    """`results/<stage>_attacks.json`; raises FileNotFoundError or ValueError if it is missing or cannot be one."""
    verb = "validate" if stage == "val" else "test"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; `sparsefront {verb} --config ...` with attacks writes it.")
    return read_json(path, ("system", "data", "attacks"), f"write it again with `sparsefront {verb}`")


def read_json(path: Path, keys: Sequence[str], mend: str) -> dict[str, Any]:
    """A JSON file of these keys at least; raises a ValueError, which ends in what to do, if it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} must be JSON, found {error}; {mend}.") from None
    if absent := [key for key in keys if not isinstance(found, dict) or key not in found]:
        raise ValueError(f"{path} must have the keys {absent}, found none; {mend}.")
    return found


def read_columns(path: Path) -> Columns:
    """Columns of a CSV of numbers, an empty cell is NaN; raises a ValueError if it is none."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    try:
        cells = [[float(cell) if cell else np.nan for cell in row] for row in rows]
        table = np.array(cells, dtype=np.float64).reshape(len(rows), len(header))
    except ValueError as error:
        raise ValueError(
            f"{path} must hold one number a cell under its header, found {error}; write it anew."
        ) from None
    return {name: table[:, column] for column, name in enumerate(header)}


def read_arrays(path: Path) -> Columns:
    """Arrays of an npz file; raises a ValueError if it is none."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, EOFError, BadZipFile) as error:
        raise ValueError(f"{path} must be an npz file of arrays, found {error}; delete it or evaluate anew.") from None


def check_whole(path: Path, samples: Columns, attacks: Sequence[AttackRecord], about: dict[str, Any]) -> None:
    """Raise a ValueError unless the files were written together: the same attacks and samples, nothing left blank."""
    wanted = ["index", "label", "clean_pred"]
    wanted += [f"{a.name}/{key}" for a in attacks if a.error is None for key in ("pred", "success", "linf", "l2")]
    absent = [name for name in wanted if name not in samples]
    mend = "evaluate again into an empty folder"
    if absent:
        raise ValueError(f"{path} must have the columns {absent}, which its attacks file promises, found none; {mend}.")
    count = len(samples["label"])
    if count == 0 or count != about.get("n_samples", count):
        raise ValueError(f"{path} must have {about.get('n_samples', 'some')} rows, found {count}; {mend}.")
    blank = [name for name in wanted if not name.endswith(("/linf", "/l2")) and np.isnan(samples[name]).any()]
    if blank:
        raise ValueError(f"{path} must have no empty cell in {blank}, for no error was noted, found some; {mend}.")
