"""What a model keeps from one call to the next."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparsefront.common.plain_parts import plain_parts
from sparsefront.common.random import drawing

_COMMON = frozenset(vars(nn.Module()))
_CONTAINERS = (list, tuple, set, frozenset, dict)


def changed_by_calls(model: nn.Module, call: Callable[[], Any], device: torch.device) -> list[str]:
    """Names of what a second, equal call of a model leaves otherwise than the first.

    Buffers and parameters, numbers and tensors among its attributes, random number generators of its own. What is kept
    of the last call alone, activations say, is the same after equal calls.

    Args:
        model: in evaluation mode.
        call: asks it something, always the same.
        device: whose random numbers start from the same seed each time.
    """
    states = []
    for _ in range(2):
        with drawing(device, seed=3), torch.no_grad():
            call()
        states.append(dict(_state(model)))
    first, second = states
    return sorted(name for name in first.keys() | second.keys() if not _equal(first.get(name), second.get(name)))


def _state(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for path, module in model.named_modules():
        attributes: dict[str, Any] = {name: value for name, value in vars(module).items() if name not in _COMMON}
        # What a TorchScript module keeps them in is no dictionary.
        attributes |= dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
        for name, value in attributes.items():
            kept = _kept(value)
            if kept is not None:
                yield f"{path}.{name}".lstrip("."), kept


def _kept(value: Any, depth: int = 0) -> Any:
    """A value as it is now, None where it is none that calls would change."""
    if isinstance(value, nn.Parameter) and not value.is_inference():
        return [id(value), value._version]  # many, and large: no copies
    if isinstance(value, Tensor):
        return _values(value)
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy()) if value.dtype.kind in "biuf" else None
    if isinstance(value, np.random.Generator):
        return repr(copy.deepcopy(value.bit_generator.state))
    if isinstance(value, _CONTAINERS) and depth < 3:
        items = value.values() if isinstance(value, Mapping) else value
        return [len(value), *(_kept(item, depth + 1) for item in items)]
    return None


def _values(tensor: Tensor) -> list[Tensor] | None:
    """A tensor's as they are now; None where torch cannot read them, for this is to warn and never to end a run."""
    if nn.parameter.is_lazy(tensor):
        return None
    try:
        return [part.detach().clone() for part in plain_parts(tensor)]
    except Exception:  # not every operation is there for every kind of tensor, other people's kinds among them
        return None


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return (
            one.shape == other.shape and one.dtype == other.dtype and torch.equal(one.nan_to_num(), other.nan_to_num())
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return type(one) is type(other) and bool(one == other or one != one)
