"""What a front end made of many images, on disk."""

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor

from sparsefront.common.atomic_file import atomic_file, move_into_place, write_atomically, writing
from sparsefront.common.file_digest import file_digest

_MEND = "delete that folder and run again"
_DIGEST = "rows"  # of the file of rows, in `about.json`
_MARK = np.dtype(np.uint64)


class Projections:
    """Rows (N, ...) in a folder of their own, of which a loader reads some at a time.

    They come in any order, and from several processes. Until all of them are there they lie in `rows.part`, and `done`
    says which do, by a checksum of each; `rows.npy` is always whole, and `about.json` keeps its digest.

    Args:
        folder: holds these rows and nothing else; it exists.
        number: N.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number
        self.path, self._part, self._done = folder / "rows.npy", folder / "rows.part", folder / "done"
        self._about = folder / "about.json"
        self._rows: np.ndarray | None = None

    @property
    def whole(self) -> bool:
        """Whether all rows are there."""
        return self.path.is_file()

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Read rows (B,) int64: (B, ...) floats.

        Raises:
            ValueError: the file was damaged.
        """
        if self._rows is None:
            self._rows = self._mapped()
        values = torch.from_numpy(self._rows[rows.numpy()])
        if values.dtype == torch.uint8:
            return values.to(torch.float32) / 255
        return values.to(torch.promote_types(values.dtype, torch.float32))

    def _mapped(self) -> np.ndarray:
        try:
            rows = np.asarray(np.load(self.path, mmap_mode="r", allow_pickle=False))
        except (ValueError, EOFError, OSError) as error:
            raise self._damaged() from error
        if rows.shape[:1] != (self.number,) or rows.ndim < 2:
            raise self._damaged()
        return rows

    def _damaged(self) -> ValueError:
        return ValueError(f"`frontend_cache.folder` must hold whole files, found a damaged {self.path}; {_MEND}.")

    def check(self) -> None:
        """Raise a ValueError if the rows are not those that were written: damaged, exchanged, or of another number."""
        self._mapped()
        try:
            expected = json.loads(self._about.read_text(encoding="utf-8"))[_DIGEST]
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise self._damaged() from error
        if file_digest(self.path) != expected:
            raise self._damaged()

    def __getstate__(self) -> dict[str, Any]:
        """Not the rows: a loader's process maps the file itself."""
        return self.__dict__ | {"_rows": None}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock of these rows, waiting for other runs; it is freed when a run ends, also when it is killed."""
        import fcntl  # not on every system, and only needed here

        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"Waiting for another run that fills {self.folder}.", flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def size(self, shape: Sequence[int], dtype: np.dtype) -> int:
        """Bytes that all rows of a shape take."""
        return self.number * int(np.prod(shape)) * dtype.itemsize

    def begin(self, shape: Sequence[int], dtype: np.dtype) -> None:
        """Make the files for rows of a shape, unless an interrupted run has; called by one process.

        What that run wrote is kept as far as it is still as it was written.
        """
        if self._goes_on((self.number, *shape), dtype):
            return
        self._done.unlink(missing_ok=True)
        open_memmap(self._part, mode="w+", dtype=dtype, shape=(self.number, *shape)).flush()
        with atomic_file(self._done) as temporary:  # from here on the files are trusted
            temporary.write_bytes(bytes(self.number * _MARK.itemsize))

    def _goes_on(self, shape: Sequence[int], dtype: np.dtype) -> bool:
        if not self._part.is_file() or not self._done.is_file():
            return False
        try:
            part = np.load(self._part, mmap_mode="r", allow_pickle=False)
            marks = np.fromfile(self._done, dtype=_MARK)
        except (ValueError, EOFError):
            return False
        if part.shape != tuple(shape) or part.dtype != dtype or len(marks) != self.number:
            return False
        for row in np.flatnonzero(marks):
            if marks[row] != _mark(part[row]):
                marks[row] = 0
        with atomic_file(self._done) as temporary:
            marks.tofile(temporary)
        return True

    def taken(self) -> int:
        """Bytes of the disk that an interrupted run has taken."""
        return self._part.stat().st_blocks * 512 if self._part.is_file() else 0

    def missing(self) -> Tensor:
        """The rows (M,) that are not written yet, ascending."""
        return torch.from_numpy(np.flatnonzero(np.fromfile(self._done, dtype=_MARK) == 0))

    def write(self, rows: Tensor, values: Tensor) -> None:
        """Keep `values` (B, ...) as rows (B,), ascending; they are on the disk before they are marked as such."""
        part = np.load(self._part, mmap_mode="r", allow_pickle=False)
        values = values.to(device="cpu", dtype=torch.promote_types(values.dtype, torch.float32))
        if part.dtype == np.uint8:
            values = (values * 255).round().clamp(0, 255)
        # Written, not mapped: processes on several machines never write back each other's pages.
        written = values.numpy().astype(part.dtype)
        _put(self._part, part.offset, rows.numpy(), written)
        _put(self._done, 0, rows.numpy(), np.array([_mark(row) for row in written], dtype=_MARK))

    def end(self, about: Mapping[str, Any]) -> None:
        """Name the file, once all rows are written; keep what they follow from, and their digest; by one process."""
        write_atomically(self._about, json.dumps({**about, _DIGEST: file_digest(self._part)}, indent=1))
        move_into_place(self._part, self.path)
        with writing(self._done):
            self._done.unlink()


def _mark(row: np.ndarray) -> int:
    """Checksum of a written row, never 0, which stands for a row that is not written."""
    return zlib.crc32(np.ascontiguousarray(row).view(np.uint8).data) + 1


def _put(path: Path, offset: int, rows: np.ndarray, values: np.ndarray) -> None:
    """Write values (B, ...) to their rows of a file, one run of neighbours at a time."""
    starts = np.flatnonzero(np.diff(rows) != 1) + 1
    with path.open("r+b") as file:
        for run, block in zip(np.split(rows, starts), np.split(values, starts), strict=True):
            file.seek(offset + int(run[0]) * values[0].nbytes)
            file.write(block.tobytes())
        file.flush()
        os.fsync(file.fileno())
