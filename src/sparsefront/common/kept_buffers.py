"""Buffers of modules, set aside and put back."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from sparsefront.common.plain_parts import plain_parts


class KeptBuffers:
    """What modules' own buffers, not those of their parts, hold now, to be put back exactly where it was.

    Args:
        modules: whose buffers they are.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        named = ((module, name, buffer) for module in modules for name, buffer in module._buffers.items())
        self._kept = [
            (module, name, buffer, _copied(buffer))
            for module, name, buffer in named
            if buffer is not None and not is_lazy(buffer)
        ]

    def restore(self) -> None:
        """Put the buffers back, in the memory that they had."""
        for module, name, buffer, copy in self._kept:
            module._buffers[name] = buffer
            if copy is not None and not _equal(buffer, copy):
                module._buffers[name] = _written(buffer, copy)


def _copied(buffer: Tensor) -> Tensor | None:
    """A copy, None of one of a kind that torch cannot copy, which nothing moves in its memory either."""
    try:
        return buffer.detach().clone()
    except RuntimeError:
        return None


def _equal(one: Tensor, other: Tensor) -> bool:
    """Whether they are known to be; NaN counts as changed, and is written again."""
    try:
        pairs = zip(plain_parts(one), plain_parts(other), strict=True)
        return all(torch.equal(first, second) for first, second in pairs)
    except (RuntimeError, ValueError):  # not every operation is there for every kind of tensor
        return False


def _written(buffer: Tensor, copy: Tensor) -> Tensor:
    """The buffer with the copy's values, or the copy where the buffer cannot be written to."""
    try:
        with torch.inference_mode(buffer.is_inference()), torch.no_grad():
            return buffer.copy_(copy)
    except RuntimeError:  # a sparse one that got another number of entries, say
        return copy
