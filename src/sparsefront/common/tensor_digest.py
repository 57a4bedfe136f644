"""Whether tensors are those that were written."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

DIGEST = "sparsefront_digest"  # of the tensors of a checkpoint, beside them


def digest_of(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def check_digest(state: Mapping[str, Tensor], expected: Any) -> None:
    """Raise a ValueError if tensors are no longer those of a digest."""
    if digest_of(state) != expected:
        raise ValueError("its tensors are not those that were written: damaged, or changed since")
