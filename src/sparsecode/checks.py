"""The rules that arguments of all coders keep, each broken rule one sentence."""

import operator
import os
import sys
import warnings
from pathlib import Path
from typing import SupportsIndex

import torch
from torch import Tensor

# Files that a warning is not about: this package's and torch's, which calls modules and backward passes.
_NOT_THE_CALLERS = tuple(f"{Path(file).parent}{os.sep}" for file in (__file__, torch.__file__))


class NotConverged(UserWarning):
    """A coder stopped at its step limit before its stopping rule was met."""


def check_signals(signals: Tensor, dictionary: Tensor) -> None:
    """Signals (N, m) and dictionary (m, K) that fit, finite, of one floating dtype and device, columns of unit norm."""
    check_tensors(signals=signals, dictionary=dictionary)
    if signals.ndim != 2 or dictionary.ndim != 2 or signals.shape[1] != dictionary.shape[0] or not dictionary.numel():
        raise ValueError(
            f"`signals` (N, m) and `dictionary` (m, K) must share m > 0 and K must be > 0, found "
            f"{tuple(signals.shape)} and {tuple(dictionary.shape)}."
        )
    check_finite(signals=signals, dictionary=dictionary)
    check_scale(signals=signals)
    check_unit_norm("`dictionary` must have unit-norm columns", dictionary)


def check_unit_norm(rule: str, atoms: Tensor) -> None:
    """Norms of 1 along the first dimension, as far as the dtype can hold them."""
    norms = atoms.detach().to(torch.promote_types(atoms.dtype, torch.float32)).norm(dim=0)
    room = 1e-3 if atoms.dtype in (torch.float32, torch.float64) else 1e-2
    if ((norms - 1).abs() > room).any():
        raise ValueError(
            f"{rule}, found norms in [{norms.min():.4g}, {norms.max():.4g}]; divide each atom by its norm."
        )


def check_scale(**tensors: Tensor) -> None:
    """Zeros, or magnitudes whose squares the computation's dtype can hold with room to spare."""
    for name, tensor in tensors.items():
        if not tensor.numel():
            continue
        largest = max(abs(end.item()) for end in tensor.detach().aminmax())
        limit = 1e15 if tensor.dtype != torch.float64 else 1e150
        if largest and not 1 / limit <= largest <= limit:
            raise ValueError(
                f"`{name}` must be zero or have a largest magnitude from {1 / limit:g} to {limit:g}, found "
                f"{largest:.4g}; scale them, and with them what weighs or bounds their codes."
            )


def check_tensors(**values: object) -> None:
    """Tensors, not what could be made into one."""
    for name, value in values.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"`{name}` must be a torch tensor, found {type(value).__module__}.{type(value).__name__}; write "
                f"`torch.as_tensor({name})`."
            )


def check_finite(**tensors: Tensor) -> None:
    """Finite floating tensors of one dtype and on one device."""
    check_tensors(**tensors)
    name, first = next(iter(tensors.items()))
    for other, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise ValueError(f"`{other}` must be floating point, found {tensor.dtype}; call .float() on it.")
        if tensor.dtype != first.dtype or tensor.device != first.device:
            raise ValueError(
                f"`{name}` and `{other}` must share dtype and device, found {first.dtype} on {first.device} and "
                f"{tensor.dtype} on {tensor.device}."
            )
        # A finite sum has finite terms, and is several times cheaper than looking at each.
        if not torch.isfinite(tensor.sum(dtype=torch.promote_types(tensor.dtype, torch.float32))) and not (
            torch.isfinite(tensor).all()
        ):
            raise ValueError(f"`{other}` must be finite, found NaN or infinity.")


def check_filters_fit(images: Tensor, filters: Tensor) -> None:
    """Filters (K, C, h, w) no larger than images (N, C, H, W)."""
    if images.shape[2] < filters.shape[2] or images.shape[3] < filters.shape[3]:
        raise ValueError(
            f"`filters` must not be larger than the images, found {tuple(filters.shape[2:])} and "
            f"{tuple(images.shape[2:])} pixels; cut the filters or enlarge the images."
        )


def check_positive(**numbers: float) -> None:
    """Raise a ValueError unless the numbers are finite and above 0."""
    for name, number in numbers.items():
        if not 0 < number < float("inf"):
            raise ValueError(f"`{name}` must be positive and finite, found {number}.")


def whole_number(value: SupportsIndex, name: str, least: int | None = None) -> int:
    """An integer of Python's, NumPy's or torch's as Python's; raise a ValueError unless it is one from `least` up."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise ValueError(f"`{name}` must be an integer, found {value!r}.")
    if least is not None and number < least:
        raise ValueError(f"`{name}` must be at least {least}, found {value!r}.")
    return number


def warn_unless(converged: Tensor, coder: str, mend: str) -> None:
    """Warn once of the signals of one call that did not converge."""
    left = int((~converged).sum())
    if not left:
        return
    message = f"{coder} stopped before {left} of {len(converged)} signals met its tolerance; {mend}."
    warnings.warn(message, NotConverged, stacklevel=_level_of_the_caller())


def _level_of_the_caller() -> int:
    """The `stacklevel`, for the function that asks, of the first caller whose file is not this package's or torch's.

    Python does it by `skip_file_prefixes`, but from 3.12 on only.
    """
    level = 1
    frame = sys._getframe(level)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_NOT_THE_CALLERS):
        frame = frame.f_back
        level += 1
    return level
