"""Whether the numbers that the trainer is given can be, seen before long work starts."""

import os
from collections.abc import Callable
from typing import Any

from pytorch_lightning.plugins.environments import LSFEnvironment, MPIEnvironment, TorchElasticEnvironment

_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "accumulate_grad_batches": (lambda value: value >= 1, "an integer of at least 1"),
    "check_val_every_n_epoch": (lambda value: value >= 1, "an integer of at least 1, or null with val_check_interval"),
    "val_check_interval": (lambda value: value > 0, "a share above 0.0 up to 1.0, or an integer of at least 1"),
    "gradient_clip_val": (lambda value: value >= 0, "a number of at least 0, or null for none"),
    "num_sanity_val_steps": (lambda value: value >= -1, "-1 for all, or an integer of at least 0"),
    "log_every_n_steps": (lambda value: value >= 0, "an integer of at least 0"),
    "num_nodes": (lambda value: value >= 1, "an integer of at least 1"),
}
"""Of a number: whether it can be, and the rule. Lightning takes any of these, and divides by zero or does nothing."""
_SWITCHES = {
    "enable_checkpointing": (
        True,
        "a run keeps its checkpoints; `checkpoint.save_top_k` sets how many beside the last",
    ),
    "barebones": (False, "a run always logs to its folder and keeps its checkpoints, which that switches off"),
}
"""The position that a run needs, and why."""
_LAUNCHED = ("SLURM_NTASKS", "MASTER_ADDR", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK")
"""A cluster, or a user who starts the processes, sets some of them."""


def check_trainer(trainer: Any, verb: str | None) -> None:
    """Look at the trainer's numbers before a `Trainer` is built.

    Args:
        trainer: its settings by name.
        verb: what will be done with it; a fit wants something to train on.

    Raises:
        ValueError: a number out of its range, or several nodes where no cluster starts their processes.
    """
    for name, (holds, rule) in _RANGES.items():
        value = trainer.get(name)
        if isinstance(value, int | float) and not holds(value):
            raise ValueError(f"`trainer.{name}` must be {rule}, found {value}.")
    for name, (taken, why) in _SWITCHES.items():
        if (value := trainer.get(name)) is (not taken):
            raise ValueError(f"`trainer.{name}` must be {str(taken).lower()} or left out, found {value}: {why}.")
    batches = trainer.get("limit_train_batches")
    if verb == "fit" and batches is not None and batches == 0 and not trainer.get("fast_dev_run"):
        raise ValueError(
            f"`trainer.limit_train_batches` must leave something to train on, found {batches}; write a share up to "
            "1.0 or a number of batches, or `sparsefront validate` to train nothing."
        )
    _check_nodes(trainer)


def _check_nodes(trainer: Any) -> None:
    """The first of several nodes waits for the others, for ever where nobody starts them."""
    nodes = trainer.get("num_nodes") or 1
    own = trainer.get("plugins") or not isinstance(trainer.get("strategy") or "auto", str)  # may bring a cluster
    if nodes == 1 or own or any(name in os.environ for name in _LAUNCHED):
        return
    if not any(kind.detect() for kind in (TorchElasticEnvironment, LSFEnvironment, MPIEnvironment)):
        raise ValueError(
            f"`trainer.num_nodes` must be 1 where no cluster starts the processes, found {nodes} and none of "
            f"{', '.join(_LAUNCHED)} in the environment; start it with `srun` or `torchrun`, or set MASTER_ADDR."
        )
