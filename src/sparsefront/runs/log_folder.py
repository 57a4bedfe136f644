"""The folder of a run."""

import atexit
import shutil
import tempfile
from pathlib import Path

import pytorch_lightning as pl


def log_folder(trainer: pl.Trainer) -> Path:
    """Where a run writes its results; all processes must call this, because the first one sends it to the others.

    A `fast_dev_run` is no run to keep, and must not stand where one is looked for: its files go away in the end.
    """
    if not trainer.fast_dev_run:  # type: ignore[attr-defined]
        return Path(trainer.log_dir or trainer.default_root_dir)
    folder = tempfile.mkdtemp(prefix="sparsefront_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
