"""Files of equal content."""

import hashlib
import os
import stat
from collections.abc import Sequence
from functools import partial

from torch import Tensor

from sparsefront.data.loading.chunks import in_chunks

END = 4096


def equal_to(paths: Sequence[str], others: Sequence[str], num_workers: int = 0) -> dict[int, str]:
    """Find the files whose bytes are those of another file.

    Only files of equal size are read, first the last 4 KiB of them, then all of those that end alike.

    Args:
        paths: N files.
        others: what they are compared with.
        num_workers: processes that read.

    Returns:
        The number of each such file, with the first of `others` that equals it. Empty files, those that cannot be read
        and what is no ordinary file equal none.
    """
    sizes, other_sizes = [_size(path) for path in paths], [_size(path) for path in others]
    shared = {*sizes} & {*other_sizes} - {0}
    left = {number: paths[number] for number, size in enumerate(sizes) if size in shared}
    right = [path for path, size in zip(others, other_sizes, strict=True) if size in shared]
    equals: dict[int, str] = {}
    for whole in (False, True):
        ours = dict(zip(left, _digests(list(left.values()), whole, num_workers), strict=True))
        theirs = _digests(right, whole, num_workers)
        first = {digest: path for digest, path in zip(reversed(theirs), reversed(right), strict=True) if digest}
        equals = {number: first[digest] for number, digest in ours.items() if digest in first}
        left = {number: left[number] for number in equals}
        both = {ours[number] for number in equals}
        right = [path for path, digest in zip(right, theirs, strict=True) if digest in both]
    return equals


def _size(path: str) -> int:
    try:
        status = os.stat(path)
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _digests(paths: Sequence[str], whole: bool, num_workers: int) -> list[bytes]:
    work = partial(_read, paths, whole)
    return [digest for _, found in in_chunks(work, len(paths), num_workers, "comparing files") for digest in found]


def _read(paths: Sequence[str], whole: bool, numbers: Tensor) -> list[bytes]:
    """Digests; empty where a file cannot be read, which is said when it is decoded."""
    digests = []
    for number in numbers.tolist():
        try:
            with open(paths[number], "rb") as file:
                size = file.seek(0, 2)
                file.seek(0 if whole else max(0, size - END))
                digests.append(hashlib.file_digest(file, "sha256").digest() + size.to_bytes(8, "big"))
        except OSError:
            digests.append(b"")
    return digests
