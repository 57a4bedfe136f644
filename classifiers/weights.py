"""Weights from a file."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn


def load_weights(module: nn.Module, path: str) -> None:
    """Fill `module` from a .safetensors file or a torch file of tensors (its `state_dict` entry, if it has one).

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file of something else, or names or shapes that are not the module's.
    """
    state = read_weights(path, "checkpoint_path")
    own = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in state.items()}
    # Counters of batches seen are bookkeeping that older files lack.
    wrong = sorted(
        name
        for name in own.keys() | given.keys()
        if own.get(name) != given.get(name) and not name.endswith("num_batches_tracked")
    )
    if wrong:
        name = wrong[0]
        mend = (
            "only sizes differ: set `num_classes` and `in_chans` to those that the file was saved with"
            if all(name in own and name in given for name in wrong)
            else "names differ: choose the network that the file was saved from"
        )
        raise ValueError(
            f"`checkpoint_path` {path} must hold the weights of this {type(module).__name__}: "
            f"{len(wrong)} tensors differ, the first is {name} (this model's {own.get(name, 'is absent')}, "
            f"the file's {given.get(name, 'is absent')}); {mend}, or leave it out."
        )
    module.load_state_dict(state, strict=False)


def read_weights(path: str, argument: str) -> dict[str, Tensor]:
    """The tensors of a file by their names; `argument` is what messages call it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file of something else.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"`{argument}` must name a file of weights, found none at {path}; check the path.")
    state: Any = None
    cause: Exception | None = None
    try:
        state = load_file(path) if path.endswith(".safetensors") else torch.load(path, "cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, EOFError, RuntimeError) as error:
        cause = error
    if isinstance(state, dict):
        state = state.get("state_dict", state)
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError(
            f"`{argument}` must name a file of tensors by name, found another content in {path}; "
            "save it with safetensors, or with `torch.save(model.state_dict(), path)`."
        ) from cause
    return state
