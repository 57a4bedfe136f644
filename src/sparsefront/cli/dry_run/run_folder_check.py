"""Whether a run's folder can be written to."""

import tempfile
from pathlib import Path

from sparsefront.common.atomic_file import sweep


def check_writable(folder: Path) -> None:
    """Make the folder of a run, and remove what killed processes left half written in it.

    Raises:
        ValueError: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        sweep(folder)
    except OSError as error:
        raise ValueError(
            f"`run_dir` must be a folder that can be written to, found {folder} ({error.strerror}); name another."
        ) from None
