"""Whether what the loggers need is installed."""

from typing import Any

from sparsefront.common.extras import check_wandb_extra


def check_loggers(trainer: Any) -> None:
    """See that the loggers can be built: why one cannot, the parser would not pass on.

    Args:
        trainer: its settings by name.

    Raises:
        MissingExtraError: W&B is asked for and not installed.
    """
    asked = trainer.get("logger")
    for logger in asked if isinstance(asked, list) else [asked]:
        if hasattr(logger, "get") and str(logger.get("class_path")).endswith(".WandbLogger"):
            check_wandb_extra("`trainer.logger` that names WandbLogger")
