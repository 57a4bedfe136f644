"""Metrics file, saved configuration and W&B of a run."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import yaml
from pytorch_lightning.cli import SaveConfigCallback
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from sparsefront.common.atomic_file import write_atomically, writing


class MetricsFile(CSVLogger):
    """`metrics.csv` of a run; an error of the disk names the file."""

    def save(self) -> None:
        """Write what has been logged since the last time.

        Raises:
            NotWrittenError: for any error of the operating system.
        """
        with writing(Path(self.log_dir, "metrics.csv")):
            super().save()


class SaveConfig(SaveConfigCallback):
    """Writes the resolved YAML into each run's own log folder and into W&B's config."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "save_to_log_dir": False})

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Called on the first process alone, before anything is logged."""
        settings = self.config.clone()
        if settings.get("ckpt_path") is None:
            settings.pop("ckpt_path", None)  # it would override a `--ckpt_path` that comes before this file
        text = self.parser.dump(settings, skip_none=False)
        folder = Path(trainer.loggers[0].log_dir if trainer.loggers else trainer.default_root_dir)  # type: ignore[arg-type]
        write_atomically(folder / "config.yaml", text)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.config.update(yaml.safe_load(text), allow_val_change=True)


def keep_wandb_in(folder: Path, loggers: Sequence[Logger]) -> None:
    """Let W&B write into a run's own folder, `folder/wandb`, unless it was told another `save_dir`."""
    for logger in loggers:
        if isinstance(logger, WandbLogger) and logger.save_dir in (None, "."):
            # private in Lightning 2.6: the folder is known once the trainer is built, whose loggers are by then
            logger._save_dir = logger._wandb_init["dir"] = str(folder)


@rank_zero_only
def check_wandb(loggers: Sequence[Logger]) -> None:
    """Raise a ValueError if an online W&B run would stop to ask for an account."""
    for logger in loggers:
        if not isinstance(logger, WandbLogger):
            continue
        # private in Lightning 2.6: what the logger was built with, asked before its public `experiment` logs in
        mode = logger._wandb_init.get("mode") or os.environ.get("WANDB_MODE") or "online"
        if logger._offline or mode != "online":
            continue
        import wandb

        if wandb.api.api_key is None:
            raise ValueError(
                "`trainer.logger` asks for W&B online, but no account is logged in on this machine: run `wandb login`, "
                "or stack lightning_configs/logging/wandb_offline.yaml, or set WANDB_MODE=offline."
            )
