"""Whether tensors are those that were written."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from sparsefront.common.plain_parts import plain_parts

DIGEST = "sparsefront_digest"  # of the tensors of a checkpoint, beside them
_PLAIN = (bool, int, float, complex, str, bytes, bytearray, type(None))


def digest_of(state: Mapping[str, Any]) -> str:
    """SHA-256 of names, types, shapes and values, in the order of the names.

    Args:
        state: tensors by name; what modules keep besides (`get_extra_state`) may be numbers, words and tensors, and
            dictionaries and lists of these.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        for chunk in _chunks(name, state[name]):
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(name: str, value: Any) -> Iterator[Any]:
    """What is digested of a value: of a tensor its type, shape and bytes, of any other its kind and content."""
    if isinstance(value, Tensor):
        yield f"{name} {value.dtype} {tuple(value.shape)}\n".encode()
        for part in plain_parts(value.detach().cpu()):
            yield part.contiguous().view(-1).view(torch.uint8).numpy().data
        return
    yield f"{name} {type(value).__name__}\n".encode()
    if isinstance(value, Mapping):
        for key in sorted(value, key=repr):
            yield from _chunks(repr(key), value[key])
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _chunks(str(place), item)
    elif isinstance(value, set | frozenset):
        yield repr(sorted(map(repr, value))).encode()
    elif isinstance(value, _PLAIN):  # another object's words hold its place in memory
        yield f"{value!r}\n".encode()


def check_digest(state: Mapping[str, Any], expected: Any) -> None:
    """Raise a ValueError if tensors are no longer those of a digest."""
    if digest_of(state) != expected:
        raise ValueError("its tensors are not those that were written: damaged, or changed since")
