"""The command line: LightningCLI with data, model, attacks and a run folder."""

import logging
import os
import sys
import tempfile
import warnings
from argparse import ArgumentError
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pytorch_lightning.callbacks import Callback
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.plugins import CheckpointIO
from pytorch_lightning.utilities import rank_zero_info
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from sparsefront import classifiers
from sparsefront.analysis import Representations
from sparsefront.attacks import NamedAttack
from sparsefront.cli.dry_run.classifier_check import check_classifier
from sparsefront.cli.dry_run.config_files import check_config_files
from sparsefront.cli.dry_run.machine_check import check_machine
from sparsefront.cli.dry_run.named_code import check_named
from sparsefront.cli.dry_run.optimizer_check import check_optimizer
from sparsefront.cli.dry_run.trainer_check import check_trainer
from sparsefront.cli.home_folders import at_home_throughout
from sparsefront.cli.messages.messages import in_one_sentence, of_entry, of_import, of_missing, with_owner
from sparsefront.cli.overridden_flags import keep_checkpoint
from sparsefront.cli.predictions import PredictionWriter
from sparsefront.cli.run_progress import progress_of_run
from sparsefront.common import stopping
from sparsefront.common.atomic_file import in_words, sweep
from sparsefront.common.checkpoints.checkpoint import Checkpoint
from sparsefront.common.checkpoints.checkpoint_file import read_whole_checkpoint
from sparsefront.common.checkpoints.run_folder import FOLDER, FRONT_END, find_checkpoint, last_checkpoint
from sparsefront.common.home import at_home
from sparsefront.common.refusals import part_that_refused
from sparsefront.common.working_folder import look_here_last
from sparsefront.data import ImageData
from sparsefront.evaluation import RobustEvaluation
from sparsefront.model.defended import DefendedClassifier
from sparsefront.runs.checkpoint_files import CheckpointFiles, write_checkpoint
from sparsefront.runs.logging import MetricsFile, SaveConfig, check_wandb
from sparsefront.runs.moved_run import moved_paths, moved_run, said_folder
from sparsefront.runs.resumed_settings import ResumedSettings, follows_the_step
from sparsefront.runs.run_checkpoints import RunCheckpoints
from sparsefront.runs.same_settings import check_resumed, check_tested, kept_settings, other_settings, reached_end
from sparsefront.runs.version_folder import claim_version
from sparsefront.training import slurm
from sparsefront.training.exact_resume import ExactResume
from sparsefront.training.frontend_cache import FrontEndCache
from sparsefront.training.process_watch import wait_for_news
from sparsefront.training.stage_one import learn_front_end
from sparsefront.training.stop_points import StopPoints, check_trained, own_signals

Kind = TypeVar("Kind", bound=Callback)


class _Parser(LightningArgumentParser):
    """Says what is wrong without the two pages of usage before it."""

    def parse_args(self, args: Sequence[str] | None = None, *rest: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Let `--model.classifier.help ConvNet` know the project's classifiers by their names, as the values do."""
        words = list(sys.argv[1:] if args is None else args)
        for i, word in enumerate(words[:-1]):
            if word == "--model.classifier.help" and words[i + 1] in classifiers.__all__:
                words[i + 1] = f"sparsefront.classifiers.{words[i + 1]}"
        if not self.exit_on_error:
            return super().parse_args(words, *rest, **kwargs)
        try:
            words = check_config_files(words)
            return super().parse_args(keep_checkpoint(words), *rest, **kwargs)
        except ValueError as error:
            _exit(in_one_sentence(str(error)), error)
        except OSError:
            raise
        except Exception as error:
            _exit(of_import(error), error)

    def parse_object(self, cfg_obj: Any, *rest: Any, **kwargs: Any) -> Any:
        """Say which entry of a list it was about."""
        try:
            return super().parse_object(cfg_obj, *rest, **kwargs)
        except ArgumentError as error:
            raise ArgumentError(None, of_entry(cfg_obj, str(error))) from error

    def instantiate(self, namespace: Any, *rest: Any, **kwargs: Any) -> Any:
        """Say which entry of a list it was about."""
        try:
            return super().instantiate(namespace, *rest, **kwargs)
        except ValueError as error:
            error.args = (of_entry(namespace, str(error)), *error.args[1:])
            raise

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if not self.exit_on_error:
            super().error(message, ex)  # the parser around this one knows the rest
        parsers = [self, *(self._subcommands_action.choices or {}).values()] if self._subcommands_action else [self]
        _exit(in_one_sentence(message, [word for one in parsers for word in one._option_string_actions]), ex)


def _exit(message: str, error: Exception | None) -> NoReturn:
    if os.environ.get("SPARSEFRONT_TRACEBACK") and error is not None:
        raise error
    hint = "`sparsefront SUBCOMMAND --help` lists the settings, SPARSEFRONT_TRACEBACK=1 shows where it happened"
    sys.stderr.write(f"\nsparsefront: error: {message}\n({hint})\n")
    sys.exit(2)


class SparsefrontCLI(LightningCLI):
    """`sparsefront fit|validate|test|predict --config ...`.

    On top of LightningCLI: the list `attacks` goes to the one evaluation callback, whose other settings are under
    `evaluation`; `analysis` compares representations under variants; `frontend_cache` keeps what a frozen front end
    makes of the training images; the data's image shape and classes go to the model; everything is written to a new
    folder `version_N` of `run_dir`, a fit's checkpoints to `checkpoints` in it; `fit` first lets the front end learn
    (stage one) unless a checkpoint is resumed, and so do `validate`, `test` and `predict` without a checkpoint.
    """

    _nothing_left = False

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the arguments that LightningCLI does not have, and what follows from others."""
        parser.add_argument("--run_dir", type=str, default="runs/default", help="Folder that everything is written to.")
        parser.add_argument(
            "--attacks", type=list[NamedAttack], default=[], help="Named attacks; append in YAML with `attacks+:`."
        )
        parser.add_lightning_class_args(RobustEvaluation, "evaluation")
        parser.add_lightning_class_args(Representations, "analysis")
        parser.add_lightning_class_args(FrontEndCache, "frontend_cache")
        parser.add_lightning_class_args(RunCheckpoints, "checkpoint")
        parser.set_defaults({"checkpoint.save_last": True, "checkpoint.filename": "epoch{epoch}"})
        parser.set_defaults({"checkpoint.auto_insert_metric_name": False})
        parser.add_argument(
            "--may_differ",
            type=list[str],
            default=[],
            help="Settings of the front end, the classifier or the data that a test may have otherwise than the "
            "checkpoint, by their dotted names; what differs is recorded.",
        )
        parser.link_arguments("attacks", "evaluation.attacks")
        parser.link_arguments("run_dir", "trainer.default_root_dir")
        parser.link_arguments("data.image_shape", "model.image_shape", apply_on="instantiate")
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")

    def before_instantiate_classes(self) -> None:
        """See that what the settings name is what is wanted there, before anything of it is called."""
        verb = self.subcommand
        check_trainer(self._get(self.config, "trainer"), verb)
        told = check_machine(self._get(self.config, "trainer"))
        if told is not None:
            rank_zero_info(told)
        check_named(self._parser(verb), self.config if verb is None else self.config[verb])

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """Always log to CSV, whose folder is the run's; whatever loggers are asked for come beside it."""
        _check_writable(Path(self._get(self.config_init, "run_dir")))
        wanted = self._get(self.config_init, "trainer").get("logger")
        loggers = wanted if isinstance(wanted, list) else [] if wanted in (None, True, False) else [wanted]
        check_wandb(loggers)
        kwargs["logger"] = [MetricsFile(self._get(self.config_init, "run_dir"), name=""), *loggers]
        plugins = self._get(self.config_init, "trainer").get("plugins") or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            kwargs["plugins"] = [CheckpointFiles(), *plugins]
        return own_signals(super().instantiate_trainer(**kwargs))

    def _instantiate_trainer(self, config: dict[str, Any], callbacks: list[Callback]) -> Any:
        """With one way of showing how far a run is, on a terminal and in a log."""
        asked = config.get("callbacks") or []
        asked = asked if isinstance(asked, list) else [asked]
        return super()._instantiate_trainer(config, [*callbacks, *progress_of_run(config, [*asked, *callbacks])])

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """With the home folder for `~`; a run that was moved is where its configuration is, whatever that says."""
        super().parse_arguments(parser, args)
        at_home_throughout(self.config)
        words = [str(word).split("=")[0].removeprefix("--") for word in (sys.argv[1:] if args is None else args)]
        config = self.config.get(str(self.config.get("subcommand")), self.config)
        said = said_folder(files := self._files_of(config))
        home = None if said is None else moved_run(said, files)
        if said is None or home is None:
            return
        if "run_dir" not in words and at_home(config["run_dir"]) == said:
            rank_zero_info(f"`run_dir` is {home}, where the configuration is, no longer {config['run_dir']}.")
            config["run_dir"] = config["trainer"]["default_root_dir"] = home
        for name, path in moved_paths(config, said, home, words).items():
            rank_zero_info(f"`{name}` is {path}, in the folder where the configuration is, no longer {config[name]}.")
            config[name] = path

    def _parse_ckpt_path(self) -> None:
        """Leave the settings as the user gave them: LightningCLI would put the checkpoint's in their place unsaid.

        Where they differ in a tensor, loading names it.
        """

    def before_fit(self) -> None:
        """Stage one, unless a checkpoint brings the dictionary along."""
        found = self._check_fit()
        if self._nothing_left:
            return
        claim_version(self.trainer, found)
        if found is None:
            if self._get(self.config, "ckpt_path") is not None:
                print(f"No checkpoint in {self._run_dir}: starting anew.", flush=True)
            self._learn_front_end()

    def fit(self, **kwargs: Any) -> None:
        """Train, if anything is left to train."""
        if not self._nothing_left:
            self.trainer.fit(**kwargs)

    def _check_fit(self) -> Checkpoint | None:
        """The checkpoint to go on from, if there is one."""
        self._check_before_long_work()
        self._callback(FrontEndCache).check(self.model, self.datamodule)
        self.datamodule.check_before_fit()
        self.model.objective.check_fit(self.model, self.trainer)
        check_optimizer(self.model)
        if self._get(self.config, "may_differ"):
            raise ValueError("`may_differ` is for validate, test and predict; a fit that goes on keeps its settings.")
        found = self._checkpoint()
        settings = kept_settings(self.config_dump, self.trainer.world_size)
        self._callback(RunCheckpoints).settings = settings
        if found is not None:
            self._take_over(found, settings)
        return found

    def _take_over(self, found: Checkpoint, settings: dict[str, Any]) -> None:
        """Refuse settings that a resumed fit would lose, say and take those that it can."""
        content = read_whole_checkpoint(found.path, "ckpt_path", to_resume=True)
        other = other_settings(content, self.model.hparams, settings)
        taken = check_resumed(other, content, str(found.path), follows_the_step(self.model.hparams.get("scheduler")))
        self._nothing_left = found.ended and reached_end(content, self.trainer.max_epochs, self.trainer.max_steps)
        rank_zero_info(
            f"{found} has come to its end: nothing is left to train."
            if self._nothing_left
            else f"Going on from {found}."
        )
        if taken:
            rank_zero_info(f"With other settings than it was made with: {', '.join(map(str, taken))}.")
            self.trainer.callbacks.append(ResumedSettings(taken))  # type: ignore[attr-defined]

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
        found = self._check_weights()
        claim_version(self.trainer, found)
        if found is not None:
            return
        if self._get(self.config, "model.classifier_checkpoint") is None:
            print("No --ckpt_path: the weights are those the classifier was built with.", file=sys.stderr, flush=True)
        self._learn_front_end()

    before_test = before_validate
    before_predict = before_validate

    def _check_weights(self) -> Checkpoint | None:
        """The checkpoint that brings all weights along, if there is one; raise a ValueError if nothing else would."""
        self._check_before_long_work()
        if self.subcommand in ("validate", "test"):
            self._callback(Representations).check(self.model)
        if (found := self._checkpoint()) is not None:
            check_trained(found)
            settings = kept_settings(self.config_dump, self.trainer.world_size)
            other = other_settings(read_whole_checkpoint(found.path, "ckpt_path"), self.model.hparams, settings)
            allowed = self._get(self.config, "may_differ")
            differing = check_tested(other, allowed, str(found.path), str(self.subcommand))
            self.model.differs = tuple(map(str, differing))
            return found
        asked = self._get(self.config, "ckpt_path")
        if asked is not None:
            raise ValueError(f"`ckpt_path` {asked} finds no checkpoint in {self._run_dir}; check `run_dir`.")
        self.model.objective.check_untrained(self.model)
        frontend = self.model.frontend
        if not frontend.learned and any(parameter.requires_grad for parameter in frontend.parameters()):
            raise ValueError(
                f"`ckpt_path` must name a checkpoint: part of {type(frontend).__name__} is trained with the classifier."
            )
        return None

    @property
    def _run_dir(self) -> str:
        return str(self._get(self.config, "run_dir"))

    def _files_of(self, config: Any) -> list[Path]:
        """The configuration files given, as far as they are files."""
        given = [*(self.config.get("config") or []), *(config.get("config") or [])]
        return [Path(path.absolute) for path in given if path is not None]

    def _checkpoint(self) -> Checkpoint | None:
        """The checkpoint asked for, None if there is none to go on from; it is whole, and what the trainer is given."""
        asked = self._get(self.config, "ckpt_path")
        if asked is None and self.subcommand == "fit" and slurm.restarted():
            asked = "last"  # the job's script says what it said at first
        if asked is None:
            return None
        if asked == "best":
            raise ValueError(
                f"`ckpt_path` must be last, a file or a run's folder, found best; its file is in {self._run_dir}."
            )
        try:
            last = asked == "last"
            files = self._files_of(self.config[str(self.subcommand)])
            found = last_checkpoint(self._run_dir, files) if last else find_checkpoint(asked, "ckpt_path")
        except FileNotFoundError:
            if asked == "last":
                return None
            raise
        read_whole_checkpoint(found.path, "ckpt_path")
        self.config_init[self.subcommand]["ckpt_path"] = str(found.path)
        return found

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


def dry_run(verb: str) -> type[SparsefrontCLI]:
    """Builds and checks what the command would, and stops there; knows no other verb, whose parser takes time."""

    class DryRun(SparsefrontCLI):
        @staticmethod
        def subcommands() -> dict[str, set[str]]:
            return {verb: SparsefrontCLI.subcommands()[verb]}

        def _run_subcommand(self, subcommand: str) -> None:
            if subcommand == "fit":
                self._check_fit()
            else:
                self._check_weights()

    return DryRun


def check(args: Sequence[str]) -> None:
    """Exit with one sentence, as `sparsefront` would, on settings that cannot be right; do nothing else.

    Args:
        args: the arguments of `sparsefront`, its verb first.
    """
    before = logging.root.manager.disable
    logging.disable(logging.INFO)  # seed and devices are said by the command itself
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "LightningCLI's args parameter")  # the caller has a command line too
            exit_on_error(args, True, dry_run(args[0]))
    finally:
        logging.disable(before)


def main(args: Sequence[str] | None = None, run: bool = True) -> SparsefrontCLI:
    """Run the command line; exits with one sentence on a setting that cannot be right.

    Args:
        args: stand for the command line when called from Python.
        run: False takes no subcommand and only builds `model`, `datamodule`, `trainer` and `evaluation`.
    """
    with stopping.command("sparsefront", sys.argv[1:] if args is None else args):
        return exit_on_error(args, run, SparsefrontCLI)


def exit_on_error(args: Sequence[str] | None, run: bool, kind: type[SparsefrontCLI]) -> SparsefrontCLI:
    """Run a command line of a kind; exit with one sentence on what its settings, or the machine, do not allow."""
    try:
        return _run(args, run, kind)
    except RuntimeError as error:
        wait_for_news(error)
        raise
    except ImportError as error:
        _exit(of_missing(error), error)
    except (ValueError, OSError, MisconfigurationException) as error:
        cause: BaseException = error
        if str(error).startswith("Does not validate against any of the Union subtypes") and error.__cause__:
            cause = error.__cause__  # what the class said, without jsonargparse's account of where
        said = in_words(cause) if isinstance(cause, OSError) else str(cause)
        _exit(in_one_sentence(with_owner(said, _owner(cause))), error)


def _owner(error: BaseException) -> str:
    """Say "PGD: " if part of the project refused what it was given, so that it is found among many."""
    part = part_that_refused(error)
    own = ("sparsefront.attacks.", "sparsefront.frontends.", "sparsefront.classifiers.")
    return f"{part.__name__}: " if part is not None and part.__module__.startswith(own) else ""


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        sweep(folder)
    except OSError as error:
        raise ValueError(
            f"`run_dir` must be a folder that can be written to, found {folder} ({error.strerror}); name another."
        ) from None


def _run(args: Sequence[str] | None, run: bool, kind: type[SparsefrontCLI]) -> SparsefrontCLI:
    # pytorch-lightning 2.6 on torch 2.15, several times a run; nothing that a user could mend.
    warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*", FutureWarning)
    logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(lambda record: "Tip:" not in record.msg)
    return kind(
        DefendedClassifier,
        ImageData,
        subclass_mode_data=True,
        save_config_callback=SaveConfig,
        trainer_defaults={
            # Attacks need gradients, and Trainer.validate and .test would run in inference mode.
            "inference_mode": False,
            "callbacks": [PredictionWriter(), ExactResume(), StopPoints(sys.argv[1:] if args is None else args)],
        },
        seed_everything_default=0,
        auto_configure_optimizers=False,
        parser_class=_Parser,
        args=None if args is None else list(args),
        run=run,
    )


def command() -> None:
    """The installed command `sparsefront`."""
    look_here_last()  # a class in a file beside the user is found
    main()


if __name__ == "__main__":
    command()
