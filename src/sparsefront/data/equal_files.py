"""Files of equal content."""

import hashlib
from collections.abc import Sequence
from functools import partial

from torch import Tensor

from sparsefront.data.chunks import in_chunks
from sparsefront.data.picture_files import PictureFile

END = 4096


def equal_to(
    files: Sequence[PictureFile], others: Sequence[PictureFile], num_workers: int = 0
) -> dict[int, PictureFile]:
    """Find the files whose bytes are those of another file.

    Only files of equal size are read, first the last 4 KiB of them, then all of those that end alike.

    Args:
        files: N files.
        others: what they are compared with.
        num_workers: processes that read.

    Returns:
        The number of each such file, with the first of `others` that equals it. Empty files and those that cannot be
        read equal none.
    """
    sizes = {file.size for file in files} & {file.size for file in others} - {0}  # of pipes and devices it is 0 too
    left = {number: file for number, file in enumerate(files) if file.size in sizes}
    right = [file for file in others if file.size in sizes]
    equals: dict[int, PictureFile] = {}
    for whole in (False, True):
        ours = dict(zip(left, _digests(list(left.values()), whole, num_workers), strict=True))
        theirs = _digests(right, whole, num_workers)
        first = {digest: file for digest, file in zip(reversed(theirs), reversed(right), strict=True) if digest}
        equals = {number: first[digest] for number, digest in ours.items() if digest in first}
        left = {number: left[number] for number in equals}
        both = {ours[number] for number in equals}
        right = [file for file, digest in zip(right, theirs, strict=True) if digest in both]
    return equals


def _digests(files: Sequence[PictureFile], whole: bool, num_workers: int) -> list[bytes]:
    paths = [file.path for file in files]
    work = partial(_read, paths, whole)
    return [digest for _, found in in_chunks(work, len(paths), num_workers, "comparing files") for digest in found]


def _read(paths: Sequence[str], whole: bool, numbers: Tensor) -> list[bytes]:
    """Digests; empty where a file cannot be read, which is said when it is decoded."""
    found = []
    for number in numbers.tolist():
        try:
            with open(paths[number], "rb") as file:
                size = file.seek(0, 2)
                file.seek(0 if whole else max(0, size - END))
                found.append(hashlib.file_digest(file, "sha256").digest() + size.to_bytes(8, "big"))
        except OSError:
            found.append(b"")
    return found
