"""Weights from a file."""

from torch import nn

from sparsefront.common.checkpoints.checkpoint_file import read_weights
from sparsefront.common.checkpoints.mismatch import Mismatch
from sparsefront.common.checkpoints.weight_names import unwrapped


def load_weights(module: nn.Module, path: str) -> None:
    """Fill `module` from a file of tensors by name, whatever the network was wrapped in when it was saved.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file of something else, or names or shapes that are not the module's.
    """
    state = unwrapped(read_weights(path, "checkpoint_path"), module.state_dict())
    mismatch = Mismatch.between(module, state)
    if mismatch is not None:
        mend = (
            "only sizes differ: set `num_classes` and `in_chans` to those that the file was saved with, on the command "
            "line by the data (where its folders are some of the network's classes, `data.reading.classes` names all "
            "of these, e.g. imagenet)"
            if mismatch.of_sizes_alone
            else "names differ: choose the network that the file was saved from"
        )
        raise ValueError(
            f"`checkpoint_path` {path} must hold the weights of this {type(module).__name__}: "
            f"{mismatch.told(_MODEL, _FILE)}; {mend}, or leave it out."
        )
    module.load_state_dict(state)


_MODEL, _FILE = "this model's", "the file's"
