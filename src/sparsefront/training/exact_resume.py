"""Random states and running metrics in checkpoints, so that a resumed training equals an uninterrupted one."""

import random
from copy import deepcopy
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.data import _set_sampler_epoch
from pytorch_lightning.trainer.states import TrainerFn
from torchmetrics import Metric

from sparsefront.common.processes import Processes
from sparsefront.data.loading.samplers import process
from sparsefront.model.defended import DefendedClassifier

Moment = Literal["start", "batch", "validation", "epoch"]


class ExactResume(pl.Callback):
    """Keeps every process's random states and running training metrics, and gives them back where they were taken.

    Lightning keeps neither. The moments of a training at which a checkpoint may be written differ in what is drawn
    between them and the next batch, so each checkpoint says which it was:

    * `start`: before the first epoch.
    * `batch`: after a training batch that is not the last.
    * `validation`: before a validation, which the resumed run does anew, whole.
    * `epoch`: after the validation of an epoch, or after its last batch.

    A run of another number of processes begins with its own random states.
    """

    def __init__(self) -> None:
        self._moment: Moment = "start"
        self._loaded: dict[str, Any] = {}
        self._taken: list[dict[str, Any]] = []
        self._metrics: dict[str, Metric] = {}
        self._to_log = False

    def state_dict(self) -> dict[str, Any]:
        """The moment, and the states of all processes, in order of rank; plain values and tensors."""
        if self._moment != "validation":
            self._taken = Processes().gathered(self._take())
        return {"moment": self._moment, "processes": self._taken}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the states of a checkpoint until training reaches the moment that they were taken at."""
        self._loaded = state_dict

    def _take(self) -> dict[str, Any]:
        return {"random": _random_states(), "metrics": {name: _state(metric) for name, metric in self._metrics.items()}}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Find the metrics that are summed over an epoch of training."""
        self._metrics = {"train/acc": pl_module.train_acc} if isinstance(pl_module, DefendedClassifier) else {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Skip the batches that an interrupted epoch has had, and restore states that were taken before the first."""
        self._moment = "start"
        if self._loaded:
            _begin_where_it_was(trainer)
        self._give_back("start")

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Restore states that were taken after a batch or an epoch, before the next batch draws anything."""
        self._give_back("batch")
        if self._give_back("epoch"):
            # The epoch's loader has drawn the seed of its workers since.
            torch.empty((), dtype=torch.int64).random_()

    def on_train_batch_end(self, *args: Any) -> None:
        """A checkpoint from here on is one after a batch."""
        self._moment = "batch"

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the states now: a run that goes on from a checkpoint of this validation begins the validation anew."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        self._to_log = self._give_back("validation")
        self._moment, self._taken = "validation", Processes().gathered(deepcopy(self._take()))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A checkpoint from here on is one after a batch, or after the epoch if it was the last."""
        if not trainer.sanity_checking and trainer.state.fn == TrainerFn.FITTING:
            last = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
            self._moment = "epoch" if last else "batch"

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A checkpoint from here on is one after the epoch; log metrics restored for an epoch without batches."""
        self._moment = "epoch"
        for name, metric in self._metrics.items() if self._to_log else ():
            pl_module.log(name, metric, on_step=False, on_epoch=True, prog_bar=True)
        self._to_log = False

    def _give_back(self, moment: Moment) -> bool:
        """Restore the states if the checkpoint was taken at this moment; returns whether it was."""
        if self._loaded.get("moment") != moment:
            return False
        processes, self._loaded = self._loaded["processes"], {}
        rank, world = process()
        if len(processes) == world:
            _set_random_states(processes[rank]["random"])
            # After an epoch they are counted from nothing again.
            for name, state in processes[rank]["metrics"].items():
                if name in self._metrics and moment != "epoch":
                    _set_state(self._metrics[name], state)
        return True


def _begin_where_it_was(trainer: pl.Trainer) -> None:
    """Have the loader begin with the next batch of the epoch that was interrupted.

    Lightning asks for it before it has read how far the training was, where the schedule wants to know the number of
    steps, and so begins it with the first batch of the first epoch.
    """
    loop: Any = trainer.fit_loop  # private in Lightning 2.6, all below: its loaders, and how far they were read
    if loop._combined_loader is None or loop._data_fetcher is None:
        return
    for loader in loop._combined_loader.flattened:
        _set_sampler_epoch(loader, loop.epoch_progress.current.processed)
    loop._load_combined_loader_states()
    iter(loop._data_fetcher)


def _random_states() -> dict[str, Any]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002  a user's own code may draw from it
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
        "python": random.getstate(),
        "numpy": [str(name), torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
    }


def _set_random_states(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"].cpu())
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), *rest))  # noqa: NPY002


def _state(metric: Metric) -> dict[str, Any]:
    sums = {name: value.detach().cpu().clone() for name, value in metric.metric_state.items() if torch.is_tensor(value)}
    return {"sums": sums, "updates": metric.update_count}


def _set_state(metric: Metric, state: dict[str, Any]) -> None:
    for name, value in state["sums"].items():
        setattr(metric, name, value.to(metric.device))
    # private in torchmetrics 1.9: `update_count` reads the first, and a stale result would be given for the sums
    metric._update_count, metric._computed = state["updates"], None
