"""When a fit, validation or test acts on a signal, and the checkpoint that it writes then."""

import signal
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import SLURMEnvironment
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from pytorch_lightning.trainer.connectors.signal_connector import _SignalConnector
from pytorch_lightning.trainer.states import TrainerFn

from sparsefront.common import stopping
from sparsefront.common.checkpoints.checkpoint import Checkpoint
from sparsefront.common.checkpoints.run_folder import FOLDER, LAST
from sparsefront.common.processes import Processes
from sparsefront.frontends import FrontEnd
from sparsefront.model.defended import DefendedClassifier
from sparsefront.runs.run_checkpoints import RunCheckpoints
from sparsefront.training import process_watch
from sparsefront.training.slurm import requeue
from sparsefront.training.watched_launcher import WatchedLauncher


class StopPoints(pl.Callback):
    """Acts on signals between batches, where the work so far is consistent, and writes a checkpoint of that moment.

    A training stops after a batch, when its optimizer has stepped, on all processes after the same. Before a validation
    `RunCheckpoints` has written one already, so a validation is stopped within. What stage one has learned is kept
    before the first batch, from which an epoch of an objective without gradients begins anew: its codes are in memory.

    Args:
        arguments: of the command, for the sentence that says how it goes on.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self._arguments = list(arguments)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what a stop would keep; what stage one has learned is written now."""
        stopping.take_care()
        if trainer.ckpt_path is not None:
            stopping.keep_in_mind(f"it has come no further than {trainer.ckpt_path}")
        elif _has_learned(pl_module):
            self._save(trainer, "what the front end has learned is")
        else:
            stopping.keep_in_mind("no batch was trained")

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Stop if a process was asked to and the state is one to go on from."""
        signum = _asked_of_any(trainer)
        if signum is None:
            return
        loop = trainer.fit_loop.epoch_loop
        if isinstance(pl_module, DefendedClassifier) and not pl_module.objective.trains_by_gradient:
            if not trainer.is_last_batch:
                raise stopping.Stopped(signum)
            return
        # private in Lightning 2.6: whether the loop goes on, accumulates or validates after this batch is asked nowhere
        # else, and a checkpoint taken then could not be gone on from
        validating = trainer.fit_loop._data_fetcher is not None and loop._should_check_val_fx(
            trainer.fit_loop._data_fetcher
        )
        if not (loop._should_accumulate() or loop._is_training_done or validating):
            done, of = loop.batch_progress.current.ready, trainer.num_training_batches
            self._save(trainer, f"{done} of {of} batches of epoch {trainer.current_epoch} are")
            raise stopping.Stopped(signum)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let a signal end a batch of attacks, after some patience; say which checkpoint holds the training so far."""
        if trainer.sanity_checking:
            return
        path, saves = _last(trainer), getattr(_own(trainer), "save_last", None)
        if trainer.state.fn == TrainerFn.FITTING and path is not None and saves:
            reached = f"epoch {trainer.current_epoch}, before this validation, is"
            stopping.keep_in_mind(f"{reached} kept in {path}", *self._from(path))
        stopping.take_care(stopping.PATIENCE)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let signals wait again: results are written next, or training goes on."""
        if not trainer.sanity_checking:
            stopping.take_care()

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let a signal end a batch of attacks, after some patience; rows of earlier batches are kept."""
        stopping.take_care(stopping.PATIENCE)

    on_test_end = on_validation_end

    def on_validation_batch_start(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """Stop here if a signal came."""
        if not trainer.sanity_checking:
            stopping.poll()

    def on_test_batch_start(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """Stop here if a signal came."""
        stopping.poll()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Ask SLURM to start the job again where that is what the signal was for."""
        told = isinstance(exception, stopping.Stopped) and exception.signum == requeue_signal(trainer)
        if told and trainer.is_global_zero:
            requeue()

    def _save(self, trainer: pl.Trainer, reached: str) -> None:
        """Write `last.ckpt`; called by every process at the same moment."""
        if (path := _last(trainer)) is not None:
            trainer.save_checkpoint(path)
            stopping.keep_in_mind(f"{reached} kept in {path}", *self._from(path))

    def _from(self, path: Path) -> tuple[str, str]:
        """The argument that goes on from this file: `last`, or its path if configuration files mean another version."""
        given = [word.removeprefix("--config=") for word in self._arguments if word.startswith("--config=")]
        given += [value for flag, value in pairwise(self._arguments) if flag in ("--config", "-c")]
        beside = {Path(config).resolve().parent for config in given if (Path(config).parent / FOLDER).is_dir()}
        return "--ckpt_path", "last" if beside <= {path.resolve().parents[1]} else str(path)


class LearningStops(pl.Callback):
    """Acts on signals after each batch of stage one, of which nothing is kept: it begins anew."""

    def on_train_batch_end(self, *args: Any) -> None:
        """Stop if another process was asked to; this one's own signals stop it at once."""
        stopping.poll()


def check_trained(checkpoint: Checkpoint) -> None:
    """Raise a ValueError for the checkpoint of a fit that was stopped before its first batch."""
    if checkpoint.path.name == LAST and checkpoint.step == 0 and not checkpoint.ended:
        raise ValueError(
            f"`ckpt_path` must name weights that were trained, found {checkpoint.path}, of a fit that was "
            "stopped before its first batch; let `sparsefront fit` go on from there first."
        )


def _own(trainer: pl.Trainer) -> RunCheckpoints | None:
    """The run's own checkpoint callback; another `ModelCheckpoint` is the user's and left alone."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback for callback in callbacks if isinstance(callback, RunCheckpoints)), None)


def _last(trainer: pl.Trainer) -> Path | None:
    folder = getattr(_own(trainer), "dirpath", None)
    return None if folder is None or trainer.fast_dev_run else Path(folder, LAST)  # type: ignore[attr-defined]


def _has_learned(model: pl.LightningModule) -> bool:
    frontend = getattr(model, "frontend", None)
    return isinstance(frontend, FrontEnd) and frontend.n_learning_steps > 0


def _asked_of_any(trainer: pl.Trainer) -> int | None:
    """The signal that any process was sent, None without one; the same on all, which have reached the same batch."""
    asked = torch.tensor(stopping.asked() or 0)
    return int(Processes(trainer.strategy).largest(asked)) or None


# private in Lightning 2.6: a trainer takes no other handlers by its constructor
class OwnSignals(_SignalConnector):
    """Keeps the handlers of `stopping`, where Lightning's own end with exit code 0 or wait for a lost process."""

    def register_signal_handlers(self) -> None:
        """Register none of Lightning's; a forked process takes over those of `stopping`, and the watch begins."""
        stopping.adopt()
        process_watch.begin(self.trainer.global_rank, self.trainer.world_size)
        signum = requeue_signal(self.trainer)
        if signum is not None:
            stopping.listen_to(signum)

    def teardown(self) -> None:
        """End the watch; no handler was replaced."""
        process_watch.end()


def requeue_signal(trainer: pl.Trainer) -> int | None:
    """The signal before the time limit of a SLURM job that is to be started again."""
    # private in Lightning 2.6: the public `strategy.cluster_environment` is that of several devices alone
    environment = trainer._accelerator_connector.cluster_environment
    if not isinstance(environment, SLURMEnvironment) or not environment.auto_requeue:
        return None
    return environment.requeue_signal or signal.SIGUSR1


def own_signals(trainer: pl.Trainer) -> pl.Trainer:
    """The trainer, whose signals are `stopping`'s, and whose processes end together."""
    # private in Lightning 2.6, both: a trainer and a strategy choose these by themselves
    trainer._signal_connector = OwnSignals(trainer)
    launcher: Any = trainer.strategy.launcher
    if type(launcher) is _SubprocessScriptLauncher:
        given = launcher.cluster_environment, launcher.num_processes, launcher.num_nodes
        trainer.strategy._launcher = WatchedLauncher(*given)
    return trainer
