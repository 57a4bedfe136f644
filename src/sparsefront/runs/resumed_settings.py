"""Settings that a resumed fit takes in the place of its checkpoint's."""

import importlib
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from torch.optim.lr_scheduler import LambdaLR

from sparsefront.runs.settings_differences import Difference

_OF = "model.optimizer."


class ResumedSettings(pl.Callback):
    """Puts the optimizer's settings given in the place of those that were restored, when a resumed fit starts.

    Lightning restores those of the checkpoint, whatever is given. The learning rate is then the one that the schedule
    has for this step, its peak and its length being those given.

    Args:
        taken: what differs from the checkpoint.
    """

    def __init__(self, taken: Sequence[Difference]) -> None:
        self.taken = list(taken)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Optimizers and schedules are restored by now, and no step has been made."""
        names = [one.name.removeprefix(_OF) for one in self.taken if one.name.startswith(_OF)]
        for optimizer in trainer.optimizers:
            if absent := [name for name in names if name.split(".")[0] not in optimizer.defaults]:
                raise ValueError(
                    f"`model.optimizer.{absent[0]}` cannot be changed in a resumed fit: {type(optimizer).__name__} "
                    "does not keep it; give the value that the checkpoint was trained with."
                )
            for group in optimizer.param_groups:
                group |= {name: optimizer.defaults[name] for name in names}
                if "lr" in names and "initial_lr" in group:
                    group["initial_lr"] = optimizer.defaults["lr"]
        for config in trainer.lr_scheduler_configs:
            _follow(config.scheduler)


def follows_the_step(named: Any) -> bool:
    """Whether a schedule's rate is a function of the step alone, so that another peak or length can be taken.

    Args:
        named: the schedule's settings, with its `class_path`; None where there is none.
    """
    if named is None:
        return True
    module, _, name = str(named["class_path"]).rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    return isinstance(kind, type) and issubclass(kind, LambdaLR)


def _follow(scheduler: Any) -> None:
    """Give the optimizer the learning rates that its schedule has for the step reached."""
    if not isinstance(scheduler, LambdaLR):
        return
    groups = scheduler.optimizer.param_groups
    scheduler.base_lrs = [group["initial_lr"] for group in groups]
    for group, base, of_step in zip(groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True):
        group["lr"] = base * of_step(scheduler.last_epoch)
    # private in torch 2.15: `get_last_lr` reads it, and only a step, which would move the schedule on, writes it
    scheduler._last_lr = [group["lr"] for group in groups]
