"""Reading the files of a run folder."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sparsefront.common.home import at_home
from sparsefront.common.run_versions import versions_of
from sparsefront.results.entry import Entry, cleaned
from sparsefront.results.plain import plain, plain_lines

Columns = dict[str, np.ndarray]
STAGES = ("test", "val")


def locate(folder: Path, stages: Sequence[str]) -> tuple[Path, str]:
    """The folder and stage that have results: the folder itself, else its newest version; the first stage there is.

    Raises:
        FileNotFoundError: there is no folder, or no results in it.
    """
    folder = at_home(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"The run folder {folder} is not there; give the folder that `sparsefront` wrote to.")
    for home in (folder, *versions_of(folder)):
        for stage in stages:
            if (home / "results" / f"{stage}_samples.csv").is_file():
                return home, stage
    names = " or ".join(f"{stage}_samples.csv" for stage in stages)
    verbs = " or ".join("validate" if stage == "val" else stage for stage in stages)
    raise FileNotFoundError(f"{folder / 'results'} holds no {names}; `sparsefront {verbs} --config ...` writes one.")


def read_json(path: Path, keys: Sequence[str], mend: str, *, to_show: bool = True) -> Entry:
    """Read a JSON file: the one reader of all results that are JSON.

    Args:
        path: of the file.
        keys: that it must have.
        mend: what to do about a file that is none, the end of a sentence.
        to_show: make its texts fit to be shown; False leaves them as they are, to be compared.

    Raises:
        ValueError: it is none.
    """
    entry = Entry(None, path, mend)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        shown = cleaned(content, entry)
    except RecursionError:
        raise ValueError(f"{path} must be JSON, found objects nested too deep; {mend}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be JSON, found {plain(str(error))}; {mend}.") from None
    except ValueError as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(
            f"{path} must be JSON, found {plain(str(error))}; {mend}."
        ) from None  # a number of 5,000 digits
    if absent := [key for key in keys if not isinstance(content, dict) or key not in content]:
        raise ValueError(f"{path} must have the keys {absent}, found none; {mend}.")
    return replace(entry, value=shown if to_show else content)


def read_columns(path: Path, mend: str = "write it anew", *, growing: bool = False) -> Columns:
    """Columns of a CSV of numbers, an empty cell is NaN; raises a ValueError if it is none.

    Args:
        path: the file.
        mend: what to do where it is none.
        growing: whether it is written line by line, so that its last line may not be whole; that one is left out.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            names, *rows = list(csv.reader(file)) or [[]]
        if growing and rows and len(rows[-1]) != len(names):
            rows.pop()
        columns = columns_of([plain(name) for name in names], rows)
    except (ValueError, OverflowError, csv.Error) as error:
        raise ValueError(
            f"{path} must hold one number a cell under its header, found {plain(str(error))}; {mend}."
        ) from None
    header = [plain(name) for name in names]
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise ValueError(f"{path} must have each column once, found {twice[:3]} more than once; {mend}.")
    return columns


def columns_of(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Columns:
    """Columns of the cells of a CSV, float64 (N,), an empty cell is NaN; raises a ValueError if one is no number."""
    cells = [[float(cell) if cell else np.nan for cell in row] for row in rows]
    table = np.array(cells, dtype=np.float64).reshape(len(rows), len(names))
    return {name: table[:, column] for column, name in enumerate(names)}


def read_arrays(path: Path) -> Columns:
    """Arrays of numbers by their names in an npz file; raises a ValueError if the file is none."""
    mend = "delete it or evaluate anew"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            arrays_by_name = {plain(name): array for name, array in dict(arrays).items()}
    except Exception as error:  # numpy lets whatever a damaged file brings about through
        raise ValueError(f"{path} must be an npz file of arrays, found {plain(str(error))}; {mend}.") from None
    if odd := [name for name, array in arrays_by_name.items() if array.dtype.kind not in "biuf"]:
        raise ValueError(f"{path} must hold arrays of numbers, found another kind in {odd}; {mend}.")
    return arrays_by_name


def read_text(path: Path) -> str:
    """Text of a UTF-8 file, fit to be shown; raises a ValueError if the file is none."""
    try:
        return plain_lines(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be text in UTF-8, found {error}; delete it or write it anew.") from None
