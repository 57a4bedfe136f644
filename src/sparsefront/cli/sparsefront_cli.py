"""The command line: LightningCLI with data, model, attacks and a run folder."""

import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from jsonargparse import Namespace
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.plugins import CheckpointIO
from pytorch_lightning.utilities import rank_zero_info

from sparsefront.analysis import Representations
from sparsefront.cli.arguments import add_arguments
from sparsefront.cli.chosen_checkpoint import check_model_needs_none, chosen_checkpoint, settings_taken_over
from sparsefront.cli.dry_run.classifier_check import check_classifier
from sparsefront.cli.dry_run.logger_check import check_loggers
from sparsefront.cli.dry_run.machine_check import check_machine
from sparsefront.cli.dry_run.named_code import check_named
from sparsefront.cli.dry_run.optimizer_check import check_optimizer
from sparsefront.cli.dry_run.run_folder_check import check_writable
from sparsefront.cli.dry_run.trainer_check import check_trainer
from sparsefront.cli.home_folders import at_home_throughout
from sparsefront.cli.moved_settings import follow_moved_run
from sparsefront.cli.parser import Parser
from sparsefront.cli.predictions import PredictionWriter
from sparsefront.cli.run_progress import progress_of_run
from sparsefront.common.checkpoints.checkpoint import Checkpoint
from sparsefront.common.checkpoints.checkpoint_file import read_whole_checkpoint
from sparsefront.common.checkpoints.run_folder import FOLDER, FRONT_END
from sparsefront.data import ImageData
from sparsefront.evaluation import RobustEvaluation
from sparsefront.model.defended import DefendedClassifier
from sparsefront.runs.checkpoint_files import CheckpointFiles, write_checkpoint
from sparsefront.runs.logging import MetricsFile, SaveConfig, check_wandb
from sparsefront.runs.run_checkpoints import RunCheckpoints
from sparsefront.runs.same_settings import check_tested, kept_settings, other_settings, reached_end
from sparsefront.runs.version_folder import claim_version
from sparsefront.training.exact_resume import ExactResume
from sparsefront.training.frontend_cache import FrontEndCache
from sparsefront.training.stage_one import learn_front_end
from sparsefront.training.stop_points import StopPoints, check_trained, own_signals

Kind = TypeVar("Kind", bound=Callback)


class SparsefrontCLI(LightningCLI):
    """`sparsefront fit|validate|test|predict --config ...`.

    On top of LightningCLI: the list `attacks` goes to the one evaluation callback, whose other settings are under
    `evaluation`; `analysis` compares representations under variants; `frontend_cache` keeps what a frozen front end
    makes of the training images; the data's image shape and classes go to the model; everything is written to a new
    folder `version_N` of `run_dir`, a fit's checkpoints to `checkpoints` in it; `fit` first lets the front end learn
    (stage one) unless a checkpoint is resumed, and so do `validate`, `test` and `predict` without a checkpoint.

    Args:
        args: stand for the command line; None takes that of the process.
        run: False takes no subcommand and only builds `model`, `datamodule`, `trainer` and `evaluation`.
    """

    def __init__(self, args: Sequence[str] | None = None, run: bool = True) -> None:
        # pytorch-lightning 2.6 on torch 2.15, several times a run; nothing that a user could mend.
        warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*", FutureWarning)
        logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(lambda record: "Tip:" not in record.msg)
        self._words = list(sys.argv[1:] if args is None else args)
        self._parsers: list[Parser] = []
        self._asked_checkpoint: str | None = None
        self._nothing_left = False
        self._know_one_verb()
        super().__init__(
            DefendedClassifier,
            ImageData,
            subclass_mode_data=True,
            save_config_callback=SaveConfig,
            trainer_defaults={
                # Attacks need gradients, and Trainer.validate and .test would run in inference mode.
                "inference_mode": False,
                "callbacks": [PredictionWriter(), ExactResume(), StopPoints(self._words)],
            },
            seed_everything_default=0,
            auto_configure_optimizers=False,
            parser_class=Parser,
            args=None if args is None else list(args),
            run=run,
        )

    def _know_one_verb(self) -> None:
        """Leave the other verbs out, if the command line begins with one: their parsers take most of the start."""
        verbs = self.subcommands()
        verb = self._words[0] if self._words else None
        if verb in verbs:
            self.subcommands = lambda: {verb: verbs[verb]}  # type: ignore[method-assign]

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """A parser that knows the others, whose options a misspelt one may be of."""
        parser = super().init_parser(**kwargs)
        if isinstance(parser, Parser):
            parser.family = self._parsers
            self._parsers.append(parser)
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the arguments that LightningCLI does not have, and what follows from others."""
        add_arguments(parser)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """With the home folder for `~`; a run that was moved is where its configuration is, whatever that says.

        The checkpoint is set aside until the classes are built: LightningCLI would put its settings in the place of
        those that the user gave, unsaid. Where they differ in a tensor, loading names it.
        """
        super().parse_arguments(parser, args)
        at_home_throughout(self.config)
        verb = str(self.config.get("subcommand"))
        config = self.config.get(verb, self.config)
        follow_moved_run(config, self._words, self._files(verb))
        self._asked_checkpoint = config.get("ckpt_path")
        if self._asked_checkpoint is not None:
            config["ckpt_path"] = None

    def before_instantiate_classes(self) -> None:
        """See that what the settings name is what is wanted there, before anything of it is called."""
        if self._asked_checkpoint is not None:
            self.settings["ckpt_path"] = self._asked_checkpoint
        check_trainer(self.settings["trainer"], self.subcommand)
        check_loggers(self.settings["trainer"])
        told = check_machine(self.settings["trainer"])
        if told is not None:
            rank_zero_info(told)
        check_named(self.settings)

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """Log to CSV, whose folder is the run's, beside whatever loggers are asked for; show how far the run is."""
        given = self.built["trainer"]
        check_writable(Path(self.built["run_dir"]))
        loggers = _as_list(given.get("logger") if given.get("logger") is not True else None)
        check_wandb(loggers)
        kwargs["logger"] = [MetricsFile(self.built["run_dir"], name=""), *loggers]
        plugins = _as_list(given.get("plugins"))
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            kwargs["plugins"] = [CheckpointFiles(), *plugins]
        callbacks = _as_list(given.get("callbacks"))
        kwargs["callbacks"] = [*callbacks, *progress_of_run(given, callbacks)]
        return own_signals(super().instantiate_trainer(**kwargs))

    @property
    def settings(self) -> Namespace:
        """The settings of the subcommand, as they were given."""
        settings: Namespace = self.config if self.subcommand is None else self.config[self.subcommand]
        return settings

    @property
    def built(self) -> Namespace:
        """The same, with objects in the place of the classes that are named."""
        built: Namespace = self.config_init if self.subcommand is None else self.config_init[self.subcommand]
        return built

    def before_fit(self) -> None:
        """Stage one, unless a checkpoint brings the dictionary along."""
        checkpoint = self.check_fit()
        if self._nothing_left:
            return
        claim_version(self.trainer, checkpoint)
        if checkpoint is None:
            if self.settings["ckpt_path"] is not None:
                print(f"No checkpoint in {self.settings['run_dir']}: starting anew.", flush=True)
            self._learn_front_end()

    def fit(self, **kwargs: Any) -> None:
        """Train, if anything is left to train."""
        if not self._nothing_left:
            self.trainer.fit(**kwargs)

    def check_fit(self) -> Checkpoint | None:
        """Refuse a fit that could not end well; return the checkpoint to go on from, if there is one."""
        self._check_before_long_work()
        self._callback(FrontEndCache).check(self.model, self.datamodule)
        self.datamodule.check_before_fit()
        self.model.objective.check_fit(self.model, self.trainer)
        check_optimizer(self.model)
        if self.settings["may_differ"]:
            raise ValueError("`may_differ` is for validate, test and predict; a fit that goes on keeps its settings.")
        checkpoint = self._checkpoint()
        settings = kept_settings(self.config_dump, self.trainer.world_size)
        self._callback(RunCheckpoints).settings = settings
        if checkpoint is not None:
            content = read_whole_checkpoint(checkpoint.path, "ckpt_path", to_resume=True)
            limits = self.trainer.max_epochs, self.trainer.max_steps
            self._nothing_left = checkpoint.ended and reached_end(content, *limits)
            resumed = settings_taken_over(checkpoint, content, self.model, settings, self._nothing_left)
            if resumed is not None:
                self.trainer.callbacks.append(resumed)  # type: ignore[attr-defined]
        return checkpoint

    def _learn_front_end(self) -> None:
        """Stage one; what it learned is kept, so that it can be put before other classifiers."""
        if self.model.frontend.learned:
            return
        learn_front_end(self.model.frontend, self.datamodule, self.trainer)
        if self.trainer.is_global_zero and not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            learned = {"state_dict": self.model.frontend.state_dict()}
            write_checkpoint(learned, Path(self.trainer.loggers[0].log_dir) / FOLDER / FRONT_END)  # type: ignore[arg-type]

    def before_validate(self) -> None:
        """Without a checkpoint: stage one, unless it leaves something to train with labels."""
        checkpoint = self.check_weights()
        claim_version(self.trainer, checkpoint)
        if checkpoint is not None:
            return
        if self.settings["model"]["classifier_checkpoint"] is None:
            print("No --ckpt_path: the weights are those the classifier was built with.", file=sys.stderr, flush=True)
        self._learn_front_end()

    before_test = before_validate
    before_predict = before_validate

    def check_weights(self) -> Checkpoint | None:
        """The checkpoint that brings all weights along, if there is one; raise a ValueError if nothing else would."""
        self._check_before_long_work()
        if self.subcommand in ("validate", "test"):
            self._callback(Representations).check(self.model)
        if (checkpoint := self._checkpoint()) is not None:
            check_trained(checkpoint)
            settings = kept_settings(self.config_dump, self.trainer.world_size)
            other = other_settings(read_whole_checkpoint(checkpoint.path, "ckpt_path"), self.model.hparams, settings)
            differing = check_tested(other, self.settings["may_differ"], str(checkpoint.path), str(self.subcommand))
            self.model.differs = tuple(map(str, differing))
            return checkpoint
        asked = self.settings["ckpt_path"]
        if asked is not None:
            raise ValueError(f"`ckpt_path` {asked} finds no checkpoint in {self.settings['run_dir']}; check `run_dir`.")
        check_model_needs_none(self.model)
        return None

    def _checkpoint(self) -> Checkpoint | None:
        """The checkpoint asked for, whole, which the trainer is given; None if there is none to go on from."""
        verb = str(self.subcommand)
        asked = self.settings.get("ckpt_path")
        checkpoint = chosen_checkpoint(asked, verb, self.settings["run_dir"], self._files(verb))
        if checkpoint is not None:
            self.built["ckpt_path"] = str(checkpoint.path)
        return checkpoint

    def _files(self, verb: str) -> list[Path]:
        """The configuration files given, as far as they are files."""
        given = [*(self.config.get("config") or []), *(self.config.get(verb, self.config).get("config") or [])]
        return [Path(path.absolute) for path in given if path is not None]

    def _check_before_long_work(self) -> None:
        """Attacks that suit the model, and a classifier that reads what the front end hands it."""
        self.evaluation.check(self.model)
        check_classifier(self.model, self.datamodule.num_classes, training=self.subcommand == "fit")

    @property
    def evaluation(self) -> RobustEvaluation:
        """The callback that runs the attacks."""
        return self._callback(RobustEvaluation)

    def _callback(self, kind: type[Kind]) -> Kind:
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        return next(callback for callback in callbacks if isinstance(callback, kind))


def _as_list(value: Any) -> list[Any]:
    """What may be given alone, in a list or not at all, as a list."""
    return value if isinstance(value, list) else [] if value in (None, False) else [value]
