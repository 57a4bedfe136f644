"""Which weights an evaluation met."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn

from sparsefront.common.checkpoints.checkpoint import Checkpoint
from sparsefront.common.checkpoints.taken_weights import shown_from
from sparsefront.common.checkpoints.tensor_digest import digest_of
from sparsefront.common.file_digest import file_digest
from sparsefront.model.defended import DefendedClassifier


def weights_used(trainer: pl.Trainer, model: DefendedClassifier, folder: Path) -> dict[str, Any]:
    """Where the weights are from, ready for JSON; the first process may ask alone.

    Args:
        trainer: evaluates the model.
        model: whose weights they are.
        folder: of the run's version.

    Returns:
        `from`: "checkpoint", "fit" (validated while it trains), or "parts" (as built or as they were in memory, perhaps
        from checkpoints of parts). `path`: of the file, or of the fit's version; relative to the run's folder where it
        lies in it. `epoch` and `step`: what it had been trained for. `sha256`: of the file. `tensors`: SHA-256 of the
        weights themselves, the one that checkpoints keep of theirs. `parts`: the same of each part that was taken from
        elsewhere. `differs`: settings that are others than the checkpoint's, by permission.
    """
    run_dir = Path(trainer.default_root_dir)
    origin: dict[str, Any] = {"from": "parts", "path": None, "epoch": None, "step": None, "sha256": None}
    if trainer.state.fn == TrainerFn.FITTING:
        origin |= {"from": "fit", "path": shown_from(folder, run_dir)}
        origin |= {"epoch": trainer.current_epoch, "step": trainer.global_step}
    elif trainer.ckpt_path is not None:
        path, (epoch, step) = Path(trainer.ckpt_path), model.reached or (None, None)
        origin |= {"from": "checkpoint", "path": shown_from(path, run_dir), "epoch": epoch, "step": step}
        origin["sha256"] = file_digest(path)
    parts = {} if origin["from"] == "checkpoint" else model.taken_from
    return origin | {
        "tensors": digest_of(model.state_dict()),
        "parts": {name: described(one, run_dir) for name, one in parts.items()},
        "differs": [] if origin["from"] == "fit" else list(model.differs),
    }


def described(checkpoint: Checkpoint, run_dir: Path) -> dict[str, Any]:
    """A checkpoint's path, epoch, step and digest, ready for JSON."""
    path = shown_from(checkpoint.path, run_dir)
    return {"path": path, "epoch": checkpoint.epoch, "step": checkpoint.step, "sha256": checkpoint.digest}
