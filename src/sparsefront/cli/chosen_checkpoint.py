"""The checkpoint that a run takes its weights from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.utilities import rank_zero_info

from sparsefront.common.checkpoints.checkpoint import Checkpoint
from sparsefront.common.checkpoints.checkpoint_file import read_whole_checkpoint
from sparsefront.common.checkpoints.run_folder import find_checkpoint, last_checkpoint
from sparsefront.model.defended import DefendedClassifier
from sparsefront.runs.resumed_settings import ResumedSettings, follows_the_step
from sparsefront.runs.same_settings import check_resumed, other_settings
from sparsefront.training import slurm


def chosen_checkpoint(asked: str | None, verb: str, run_dir: str, files: Sequence[Path]) -> Checkpoint | None:
    """Find a checkpoint, and see that it can be read whole.

    Args:
        asked: `last`, a file or a run's folder; None for none, but a fit that SLURM restarts goes on from its last.
        verb: the subcommand.
        run_dir: the folder of the run.
        files: the configuration files of the command.

    Returns:
        The checkpoint; None where none is asked for, or `last` and there is none yet.

    Raises:
        ValueError: `asked` is `best`, or names no whole checkpoint.
        FileNotFoundError: nothing is there.
    """
    if asked is None and verb == "fit" and slurm.restarted():
        asked = "last"  # the job's script says what it said at first
    if asked is None:
        return None
    if asked == "best":
        raise ValueError(f"`ckpt_path` must be last, a file or a run's folder, found best; its file is in {run_dir}.")
    try:
        last = asked == "last"
        checkpoint = last_checkpoint(run_dir, files) if last else find_checkpoint(asked, "ckpt_path")
    except FileNotFoundError:
        if asked == "last":
            return None
        raise
    read_whole_checkpoint(checkpoint.path, "ckpt_path")
    return checkpoint


def settings_taken_over(
    checkpoint: Checkpoint,
    content: Mapping[str, Any],
    model: DefendedClassifier,
    settings: dict[str, Any],
    nothing_left: bool,
) -> ResumedSettings | None:
    """Refuse settings that a resumed fit would lose, say those that it can take over.

    Args:
        checkpoint: that the fit goes on from.
        content: of its file.
        model: as the settings build it.
        settings: of this run, in plain values.
        nothing_left: whether the fit has come to its end.

    Returns:
        The callback that sets them; None where all are as they were.
    """
    other = other_settings(content, model.hparams, settings)
    taken = check_resumed(other, content, str(checkpoint.path), follows_the_step(model.hparams.get("scheduler")))
    rank_zero_info(
        f"{checkpoint} has come to its end: nothing is left to train."
        if nothing_left
        else f"Going on from {checkpoint}."
    )
    if not taken:
        return None
    rank_zero_info(f"With other settings than it was made with: {', '.join(map(str, taken))}.")
    return ResumedSettings(taken)


def check_model_needs_none(model: DefendedClassifier) -> None:
    """Raise a ValueError where only a fit could have given a part of the model its weights."""
    model.objective.check_untrained(model)
    frontend = model.frontend
    if not frontend.learned and any(parameter.requires_grad for parameter in frontend.parameters()):
        raise ValueError(
            f"`ckpt_path` must name a checkpoint: part of {type(frontend).__name__} is trained with the classifier."
        )
