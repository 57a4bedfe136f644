"""The rules that arguments of all coders keep, each broken rule one sentence."""

import warnings

import torch
from torch import Tensor


class NotConverged(UserWarning):
    """A coder stopped at its step limit before its stopping rule was met."""


def check_signals(signals: Tensor, dictionary: Tensor) -> None:
    """Signals (N, m) and dictionary (m, K) that fit, finite, of one floating dtype and device, columns of unit norm."""
    if signals.ndim != 2 or dictionary.ndim != 2 or signals.shape[1] != dictionary.shape[0] or not dictionary.numel():
        raise ValueError(
            f"`signals` (N, m) and `dictionary` (m, K) must share m > 0 and K must be > 0, found "
            f"{tuple(signals.shape)} and {tuple(dictionary.shape)}."
        )
    check_finite(signals=signals, dictionary=dictionary)
    norms = dictionary.detach().norm(dim=0)
    if ((norms - 1).abs() > 1e-3).any():
        raise ValueError(
            f"`dictionary` must have unit-norm columns, found norms in [{norms.min():.4g}, {norms.max():.4g}]; "
            "divide each column by its norm."
        )


def check_finite(**tensors: Tensor) -> None:
    """Finite floating tensors of one dtype and on one device."""
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


def check_positive(**numbers: float) -> None:
    """Numbers above zero."""
    for name, number in numbers.items():
        if not number > 0:
            raise ValueError(f"`{name}` must be above 0, found {number}.")


def warn_unless(converged: Tensor, coder: str, mend: str) -> None:
    """Warn once of the signals of one call that did not converge."""
    left = int((~converged).sum())
    if left:
        warnings.warn(
            f"{coder} stopped before {left} of {len(converged)} signals met its tolerance; {mend}.",
            NotConverged,
            stacklevel=4,
        )
