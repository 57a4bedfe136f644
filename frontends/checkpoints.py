"""Checkpoints, read safely."""

from pathlib import Path

import torch
from torch import Tensor


def read_checkpoint(path: str | Path, setting: str) -> dict[str, Tensor]:
    """The tensors by name of a checkpoint, read without running anything that is in it.

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
        return dict(torch.load(path, weights_only=True, map_location="cpu")["state_dict"])
    except Exception as error:
        raise ValueError(
            f"`{setting}` must be a whole checkpoint that `sparsefront fit` wrote, found {path}, which does not load "
            f"({type(error).__name__}); name another."
        ) from None


def part_of(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors of the part that goes by that name, under the names that they have there; none where it is absent."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
