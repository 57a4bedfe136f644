"""What a part is, in plain values: the same in every process, another one where its numbers would be."""

import functools
import hashlib
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from sparsefront.common.plain_parts import plain_parts

# What every module has says nothing of one, and neither does what is left of a front end's learning.
_COMMON = frozenset(vars(nn.Module())) | frozenset(vars(pl.LightningModule())) | {"_hparams", "learning_step"}


def image_numbers(images: Tensor) -> Tensor:
    """A number (B,) for the content of each image (B, C, H, W), 48 bits of a digest."""
    numbers = [int.from_bytes(hashlib.sha256(_bytes(image)).digest()[:6], "big") for image in images]
    return torch.tensor(numbers, dtype=torch.int64)


def described(value: Any) -> Any:
    """A part in plain values, the same in every process: its class, its settings, its tensors by digest."""
    return _described(value, set())


def _described(value: Any, met: set[int]) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Tensor | np.ndarray):
        tensor = torch.as_tensor(value)
        return [str(tensor.dtype), list(tensor.shape), hashlib.sha256(_bytes(tensor)).hexdigest()]
    if isinstance(value, Mapping):
        return {str(key): _described(item, met) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_described(item, met) for item in value]
    if isinstance(value, functools.partial):
        return [_described(item, met) for item in (value.func, value.args, value.keywords)]
    if isinstance(value, torch.dtype | np.generic | PurePath):
        return str(value)
    kind = value if hasattr(value, "__qualname__") else type(value)  # a function or class, or an object of one
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind is value or id(value) in met:
        return name
    met.add(id(value))
    return {"class": name, **{key: _described(item, met) for key, item in _attributes(value).items()}}


def _attributes(value: Any) -> dict[str, Any]:
    attributes = dict(vars(value)) if hasattr(value, "__dict__") else {}
    if isinstance(value, nn.Module):
        tensors = {**dict(value.named_parameters(recurse=False)), **dict(value.named_buffers(recurse=False))}
        attributes |= tensors | dict(value.named_children())
    return {key: item for key, item in attributes.items() if key not in _COMMON and item is not None}


def _bytes(tensor: Tensor) -> bytes:
    arrays = (array.cpu().contiguous().view(-1).view(torch.uint8) for array in plain_parts(tensor.detach()))
    return b"".join(array.numpy().tobytes() for array in arrays)
