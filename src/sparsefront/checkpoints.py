"""Checkpoints: read safely, and told apart in one sentence."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def read_checkpoint(path: str | Path, setting: str) -> dict[str, Any]:
    """Load a checkpoint without running anything that is in it.

    Args:
        path: of the file.
        setting: what the user named it by, for the sentence.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint that Lightning wrote, or a damaged one.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"`{setting}` must name a checkpoint file, found none at {path}.")
    try:
        checkpoint = torch.load(path, weights_only=True, map_location="cpu")
        checkpoint["state_dict"].keys()
    except Exception as error:
        raise ValueError(
            f"`{setting}` must be a whole checkpoint that `sparsefront fit` wrote, found {path}, which does not load "
            f"({type(error).__name__}); name another."
        ) from None
    return dict(checkpoint)


def explain_mismatch(module: nn.Module, state: dict[str, Tensor], origin: str, whose: str) -> None:
    """Raise one sentence if the names or shapes in `state` differ from those of `module`."""
    own = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    other = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if own == other:
        return
    differing = sorted(name for name in own.keys() | other.keys() if own.get(name) != other.get(name))
    name = differing[0]
    raise ValueError(
        f"{origin} belongs to another front end or classifier: {len(differing)} tensors differ, the first is {name} "
        f"({whose} {own.get(name, 'is absent')}, the checkpoint's {other.get(name, 'is absent')}); "
        "give the settings that it was trained with: they are in the config.yaml of its run."
    )
