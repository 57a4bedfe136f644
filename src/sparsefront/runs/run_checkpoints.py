"""The checkpoints of a run, in the folder of its version."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from sparsefront.common.atomic_file import atomic_file
from sparsefront.common.checkpoints.checkpoint import RUN

_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")


class RunCheckpoints(ModelCheckpoint):
    """Keeps `last.ckpt` and the best, or newest, epochs in the folder `checkpoints` of the run's version.

    `last.ckpt` is written at the end of every epoch and, so that attacks that take long cost no epoch, before each
    validation; a fit that goes on from there begins with that validation. No file says where it lies, so that a run may
    be moved and copied. A resumed fit writes into its own version, and takes the best epochs along.

    Args:
        kwargs: as `ModelCheckpoint`, but for the folder.

    Raises:
        ValueError: a `filename` in another folder.

    Attributes:
        settings: what the run is made with, plain values by dotted names; kept in each checkpoint.
    """

    def __init__(self, **kwargs: Any) -> None:
        _check_name(kwargs.get("filename"), bool(kwargs.get("auto_insert_metric_name", True)))
        super().__init__(dirpath=None, **kwargs)
        self.settings: dict[str, Any] = {}
        self._before_validation = False  # of what is being written
        self._last_written = False
        self._earlier: dict[str, Any] = {}  # what the resumed run had kept

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the settings, and whether the fit has come to its end."""
        checkpoint[RUN] = {"settings": self.settings, "ended": not self._before_validation and has_ended(trainer)}

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what the training steps have reached, before attacks."""
        if self.save_last and not self._idle(trainer):
            progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
            before = progress.state_dict()
            self._before_validation = True
            try:
                # As if its first batch had begun: Lightning would take a validation without one for done.
                for count in (progress.total, progress.current):
                    count.ready, count.started = count.completed + 1, count.completed + 1  # type: ignore[attr-defined]
                self.last_model_path = self.format_checkpoint_name({}, self.CHECKPOINT_NAME_LAST)
                trainer.save_checkpoint(self.last_model_path, self.save_weights_only)
            finally:
                self._before_validation = False
                progress.load_state_dict(before)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """As `ModelCheckpoint`, and `last.ckpt` is the last epoch's where that one is not among the best either."""
        self._last_written = False
        super().on_train_epoch_end(trainer, pl_module)
        if self.save_last and not self._last_written and not self._idle(trainer):
            # private in Lightning 2.6: `ModelCheckpoint` has no public call that writes `last.ckpt` alone
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """As `ModelCheckpoint`, which would keep what a `fast_dev_run` made, too."""
        if not self._idle(trainer):
            super().on_train_end(trainer, pl_module)

    def _save_last_checkpoint(self, trainer: pl.Trainer, monitor_candidates: dict[str, Tensor]) -> None:
        # private in Lightning 2.6, which would put a `last-v1.ckpt` beside what lies there, this run's own
        self.last_model_path = self.format_checkpoint_name(monitor_candidates, self.CHECKPOINT_NAME_LAST)
        super()._save_last_checkpoint(trainer, monitor_candidates)
        self._last_written = True

    def _idle(self, trainer: pl.Trainer) -> bool:
        fitting = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        return not fitting or bool(trainer.fast_dev_run) or trainer.global_step == 0  # type: ignore[attr-defined]

    def state_dict(self) -> dict[str, Any]:
        """As `ModelCheckpoint`, with names in place of paths."""
        state = super().state_dict()
        del state["dirpath"]
        state |= {key: Path(state[key]).name for key in _PATHS}
        return state | {"best_k_models": {Path(path).name: score for path, score in self.best_k_models.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember what the resumed run had kept; its folder is known when the fit starts.

        Raises:
            ValueError: files elsewhere: those that are no longer among the best are deleted later.
        """
        names = [*state_dict.get("best_k_models", {}), *(state_dict.get(key) or "" for key in _PATHS)]
        if elsewhere := [name for name in names if not isinstance(name, str) or Path(name).name != name]:
            raise ValueError(
                f"`ckpt_path` must name a checkpoint whose best epochs lie beside it, found {elsewhere[0]!r} in it; "
                "name another."
            )
        self._earlier = state_dict

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the best epochs of the resumed run along, as far as they are still there."""
        earlier, self._earlier = self._earlier, {}
        if not earlier or self.monitor is None or trainer.ckpt_path is None or self.dirpath is None:
            return
        source, home = Path(trainer.ckpt_path).parent, Path(self.dirpath)
        best = earlier["best_k_models"]
        if any(not (source / name).is_file() for name in best):
            return  # moved away: this fit's own epochs are what it knows
        for name in best:
            if trainer.is_global_zero and source.resolve() != home.resolve():
                with atomic_file(home / name) as file:
                    shutil.copyfile(source / name, file)
        trainer.strategy.barrier()
        self.best_k_models = {str(home / name): score for name, score in best.items()}
        for key in ("best_model_path", "kth_best_model_path"):
            setattr(self, key, str(home / earlier[key]) if earlier[key] else "")
        for key in ("best_model_score", "current_score", "kth_value"):
            setattr(self, key, earlier[key])


def _check_name(name: str | None, with_metrics: bool) -> None:
    """Raise a ValueError if files would lie in another folder; a metric's name in braces may hold a slash."""
    written = name or ""
    written = written if with_metrics else re.sub(r"\{[^{}]*\}", "", written)
    if "/" in written or os.sep in written:
        raise ValueError(
            f"`checkpoint.filename` must be a file's name, found {name!r}; it lies in the run's version: leave out "
            "folders, and name metrics with a slash in braces with `checkpoint.auto_insert_metric_name: false`."
        )


def has_ended(trainer: pl.Trainer) -> bool:
    """Whether a fit has nothing left to do: the epochs or steps asked for are reached, or training no longer helps."""
    loop: Any = trainer.fit_loop
    counts = [(loop.epoch_progress.current.processed, loop.max_epochs), (loop.epoch_loop.global_step, loop.max_steps)]
    early = (one for one in trainer.callbacks if isinstance(one, EarlyStopping))  # type: ignore[attr-defined]
    reached = any(most is not None and 0 <= most <= count for count, most in counts)
    return reached or any(one.wait_count >= one.patience for one in early)
