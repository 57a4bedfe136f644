"""Weights from a file."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn


def load_weights(module: nn.Module, path: str) -> None:
    """Fill `module` from a .safetensors file or a torch file of tensors (its `state_dict` entry, if it has one).

    Raises:
        FileNotFoundError: no such file.
        ValueError: names or shapes that are not the module's.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"`checkpoint_path` must name a file of weights, found none at {path}.")
    state: dict[str, Tensor]
    if path.endswith(".safetensors"):
        state = load_file(path)
    else:
        state = torch.load(path, weights_only=True, map_location="cpu")
        state = state.get("state_dict", state)  # type: ignore[assignment]
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
        raise ValueError(
            f"`checkpoint_path` {path} must hold the weights of this {type(module).__name__}: "
            f"{len(wrong)} tensors differ, the first is {name} (this model's {own.get(name, 'is absent')}, "
            f"the file's {given.get(name, 'is absent')})."
        )
    module.load_state_dict(state, strict=False)
