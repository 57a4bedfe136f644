"""A front end's or a classifier's weights, taken from a file."""

from pathlib import Path

from torch import nn

from sparsefront.common.checkpoints.checkpoint import Checkpoint
from sparsefront.common.checkpoints.checkpoint_file import read_weights
from sparsefront.common.checkpoints.mismatch import explain_mismatch
from sparsefront.common.checkpoints.run_folder import find_checkpoint
from sparsefront.common.checkpoints.weight_names import unwrapped
from sparsefront.frontends import FrontEnd


def load_front_end(frontend: FrontEnd, path: str | Path) -> Checkpoint:
    """Fill a front end from a checkpoint of its own or of a whole `DefendedClassifier`; returns which it is.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the checkpoint is another front end's, or that one has not learned either.
    """
    checkpoint = find_checkpoint(path, "frontend_checkpoint", front_end=True)
    state = unwrapped(
        read_weights(checkpoint.path, "frontend_checkpoint", of_run=True), frontend.state_dict(), ("frontend", "")
    )
    kind = type(frontend).__name__
    explain_mismatch(frontend, state, f"`frontend_checkpoint` {checkpoint.path}", f"this {kind}'s")
    if not state["learned"]:
        raise ValueError(
            f"`frontend_checkpoint` must hold a learned front end, found one that is not, in {checkpoint.path}."
        )
    frontend.load_state_dict(state)
    return checkpoint


def load_classifier(classifier: nn.Module, path: str | Path) -> Checkpoint:
    """Fill a classifier from a checkpoint of a whole `DefendedClassifier`, or a file of its own; returns which it is.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file holds another classifier, or none.
    """
    checkpoint = find_checkpoint(path, "classifier_checkpoint")
    state = read_weights(checkpoint.path, "classifier_checkpoint", of_run=True)
    state = unwrapped(state, classifier.state_dict(), ("classifier", ""))
    kind = type(classifier).__name__
    explain_mismatch(classifier, state, f"`classifier_checkpoint` {checkpoint.path}", f"this {kind}'s")
    classifier.load_state_dict(state)
    return checkpoint
