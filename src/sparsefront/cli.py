"""The command line: LightningCLI with data, model, attacks and a run folder."""

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger

from attacks import NamedAttack
from sparsefront.data import ImageData
from sparsefront.defended import DefendedClassifier
from sparsefront.evaluation import RobustEvaluation
from sparsefront.logging import SaveConfig, check_wandb
from sparsefront.predictions import PredictionWriter
from sparsefront.stage_one import learn_front_end


class _Parser(LightningArgumentParser):
    """Says what is wrong without the two pages of usage before it."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        _exit(message, ex)


def _exit(message: str, error: Exception | None) -> NoReturn:
    if os.environ.get("SPARSEFRONT_TRACEBACK") and error is not None:
        raise error
    hint = "`sparsefront SUBCOMMAND --help` lists the settings, SPARSEFRONT_TRACEBACK=1 shows where it happened"
    sys.stderr.write(f"\nsparsefront: error: {message}\n({hint})\n")
    sys.exit(2)


class SparsefrontCLI(LightningCLI):
    """`sparsefront fit|validate|test|predict --config ...`.

    On top of LightningCLI: the list `attacks` goes to the one evaluation callback, whose other settings are under
    `evaluation`; the data's image shape and classes go to the model; everything is written under `run_dir`, checkpoints
    in `run_dir/checkpoints`; `fit` first lets the front end learn (stage one) unless a checkpoint is resumed.
    """

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the arguments that LightningCLI does not have, and what follows from others."""
        parser.add_argument("--run_dir", type=str, default="runs/default", help="Folder that everything is written to.")
        parser.add_argument(
            "--attacks", type=list[NamedAttack], default=[], help="Named attacks; append in YAML with `attacks+:`."
        )
        parser.add_lightning_class_args(RobustEvaluation, "evaluation")
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        parser.set_defaults({"checkpoint.save_last": True, "checkpoint.filename": "epoch{epoch}"})
        parser.set_defaults({"checkpoint.auto_insert_metric_name": False})
        parser.link_arguments("attacks", "evaluation.attacks")
        parser.link_arguments("run_dir", "trainer.default_root_dir")
        parser.link_arguments(
            "run_dir", "checkpoint.dirpath", compute_fn=lambda folder: str(Path(folder, "checkpoints"))
        )
        parser.link_arguments("data.image_shape", "model.image_shape", apply_on="instantiate")
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """Always log to CSV; whatever loggers are asked for come beside it."""
        wanted = self._get(self.config_init, "trainer").get("logger")
        if wanted is not False:
            loggers = wanted if isinstance(wanted, list) else [] if wanted in (None, True) else [wanted]
            check_wandb(loggers)
            kwargs["logger"] = [CSVLogger(self._get(self.config_init, "run_dir"), name=""), *loggers]
        return super().instantiate_trainer(**kwargs)

    def before_fit(self) -> None:
        """Stage one, unless a checkpoint brings the dictionary along."""
        self.evaluation.views(self.model)  # an attack that does not suit ends here, before the long work
        asked = self._get(self.config, "ckpt_path")
        checkpoints = Path(self._get(self.config, "checkpoint").dirpath)
        resumes = asked is not None and (asked not in ("last", "best") or any(checkpoints.glob("last*.ckpt")))
        if not resumes:
            learn_front_end(self.model.frontend, self.datamodule, self.trainer)

    @property
    def evaluation(self) -> RobustEvaluation:
        """The callback that runs the attacks."""
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        return next(callback for callback in callbacks if isinstance(callback, RobustEvaluation))


def main(args: Sequence[str] | None = None, run: bool = True) -> SparsefrontCLI:
    """Run the command line; exits with one sentence on a setting that cannot be right.

    Args:
        args: stand for the command line when called from Python.
        run: False takes no subcommand and only builds `model`, `datamodule`, `trainer` and `evaluation`.
    """
    try:
        return _run(args, run)
    except (ValueError, FileNotFoundError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:  # what a class said, without jsonargparse's account of where
            cause = cause.__cause__
        _exit(str(cause), error)


def _run(args: Sequence[str] | None, run: bool) -> SparsefrontCLI:
    # pytorch-lightning 2.6 on torch 2.15, several times a run; nothing that a user could mend.
    warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*", FutureWarning)
    return SparsefrontCLI(
        DefendedClassifier,
        ImageData,
        subclass_mode_data=True,
        save_config_callback=SaveConfig,
        trainer_defaults={
            # Attacks need gradients, and Trainer.validate and .test would run in inference mode.
            "inference_mode": False,
            "callbacks": [PredictionWriter()],
        },
        seed_everything_default=0,
        auto_configure_optimizers=False,
        parser_class=_Parser,
        args=None if args is None else list(args),
        run=run,
    )


def command() -> None:
    """The installed command `sparsefront`."""
    main()


if __name__ == "__main__":
    command()
