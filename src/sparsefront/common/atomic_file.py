"""Files that are there whole or not at all."""

import contextlib
import errno
import hashlib
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparsefront.common.home import at_home
from sparsefront.common.run_versions import versions_of

_STRAY = re.compile(r"\..+\.(\d+)(?:@([0-9a-f]{8}))?\.tmp(\.[^.]+)?")  # older versions named no machine


class NotWrittenError(OSError):
    """A file could not be written; what was there before is as it was."""

    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(cause.errno, cause.strerror or str(cause) or type(cause).__name__, str(path))

    def __str__(self) -> str:
        return (
            f"{self.filename} could not be written ({self.strerror}); what was there before is as it was: make room or "
            "name a place that can be written to, and run again."
        )


def os_error_in_words(error: OSError) -> str:
    """What an error of the operating system says, without its number."""
    if error.errno is None or isinstance(error, NotWrittenError):
        return str(error)
    where = f"{error.filename}: " if error.filename is not None else "a file could not be read or written: "
    return f"{where}{error.strerror}."


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file that an error of the operating system is about.

    Raises:
        NotWrittenError: for any OSError.
    """
    try:
        yield
    except NotWrittenError:
        raise
    except OSError as error:
        raise NotWrittenError(path, error) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to; it takes the place of `path` at the end, or goes away if that is not reached.

    Its name ends in the suffix of `path`, by which some libraries choose a format. What it holds is on the disk before
    it takes that place, so that a power cut leaves the one or the other. Beginnings that a killed process of this
    machine left beside `path` are removed.

    Raises:
        NotWrittenError: the disk is full, or `path` cannot be written to; `path` is as it was.
    """
    path = at_home(path)
    path = path.resolve() if path.is_symlink() else path  # the link stays, what it points to is written
    with writing(path):
        if path.exists() and not path.is_file() and not path.is_dir():
            raise OSError(errno.EINVAL, "it is a device, pipe or socket, which a file must not replace")
        path.parent.mkdir(parents=True, exist_ok=True)
        for stray in path.parent.glob(f"{_escaped(f'.{path.stem}.')}*"):
            _remove_stray(stray)
        temporary = path.with_name(f".{path.stem}.{os.getpid()}@{_machine()}.tmp{path.suffix}")
        try:
            yield temporary
            move_into_place(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def move_into_place(written: Path, path: Path) -> None:
    """Give a whole file in the folder of `path` that name, in the place of what has it; it is on the disk before.

    Raises:
        NotWrittenError: the disk refuses; `path` is as it was.
    """
    with writing(path):
        _to_disk(written)
        os.replace(written, path)
        with contextlib.suppress(OSError):  # some file systems know no such thing of folders; the file is whole
            _to_disk(path.parent)


def write_atomically(path: Path, text: str) -> None:
    """Write a text.

    Raises:
        NotWrittenError: as `atomic_file`.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sweep(run_dir: Path) -> None:
    """Remove, in a run's versions, the beginnings of files whose process is gone.

    What lies elsewhere in `run_dir` may be of other programs, and numbers of processes say nothing of those of another
    machine that shares the folder: both are left alone.

    Raises:
        NotWrittenError: one cannot be removed.
    """
    for version in versions_of(run_dir):
        for path in version.rglob(".*.tmp*"):
            _remove_stray(path)


def _remove_stray(path: Path) -> None:
    found = _STRAY.fullmatch(path.name)
    if found and found[2] in (None, _machine()) and path.is_file() and not _runs(int(found[1])):
        with writing(path):
            path.unlink(missing_ok=True)


def _machine() -> str:
    """Eight signs for this machine's name, which may be too long for a file's."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _escaped(text: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", text)
