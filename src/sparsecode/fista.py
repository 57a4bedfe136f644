"""LASSO by accelerated proximal gradient steps, patch-wise or convolutional."""

from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from sparsecode._accelerated import accelerate, unroll
from sparsecode._choices import Gradient
from sparsecode._implicit import check_gradient, differentiate_implicitly
from sparsecode._l1_gap import l1_gap
from sparsecode._named_kinds import named_kinds
from sparsecode._newton_step import newton_step
from sparsecode.checks import check_finite, check_positive, check_scale, warn_unless, whole_number
from sparsecode.coded import Coded
from sparsecode.full_precision import full_precision
from sparsecode.operators import Dense, Operator

MEND = "raise `max_steps` or `tolerance`, or scale `lmbda` with the signals: far below them, only float64 resolves it"

SomeOperator = TypeVar("SomeOperator", bound=Operator)


@full_precision
@named_kinds
def fista(
    signals: Tensor,
    operator: Operator,
    lmbda: float,
    *,
    tolerance: float = 1e-3,
    max_steps: int = 10_000,
    start: Tensor | None = None,
    positive: bool = False,
    gradient: Gradient = "none",
    unrolled_steps: int = 10,
    max_bytes: int = 2**30,
) -> Coded:
    """Minimise 1/2 ||y - D s||^2 + lmbda ||s||_1 for every signal y; atoms of any norm.

    FISTA (Beck and Teboulle 2009) whose momentum restarts signal by signal, and on a `Dense` operator a Newton step on
    the nonzeros now and then, without which it creeps among nearly parallel atoms. A signal stops when its duality gap
    is at most `tolerance` times its objective, whatever the others do.

    Args:
        signals: (N, *operator.signal_shape).
        operator: D, `Dense` or `Convolution`.
        lmbda: weight of the l1 norm, positive.
        tolerance: relative duality gap at which a signal is done.
        max_steps: most steps.
        start: (N, *operator.code_shape) codes to start from, such as an earlier `state`; zero if absent.
        positive: only codes at or above 0.
        gradient: how codes are differentiated, with respect to the signals and the operator's dictionary.
        unrolled_steps: steps that `unrolled` repeats at the solution.
        max_bytes: working memory; the batch is split to stay below it.

    Returns:
        Codes (N, *operator.code_shape); their state is the codes, without a graph.

    Raises:
        ValueError: signals or a start that do not fit the operator, are not finite or of another dtype; `lmbda` or
            `tolerance` not positive; an unknown gradient.
    """
    check_positive(lmbda=lmbda, tolerance=tolerance)
    max_steps = whole_number(max_steps, "max_steps", 0)
    unrolled_steps = check_gradient(gradient, unrolled_steps)
    signals, operator, dtype = prepare(signals, operator)
    prox = partial(_shrink, lmbda=lmbda, positive=positive)
    with torch.no_grad():
        codes, converged = accelerate(
            signals,
            operator,
            starting_codes(signals, operator, start),
            prox=prox,
            gap=lambda s, slack, residual, _: l1_gap(s, slack, residual, lmbda, positive=positive),
            polish=partial(newton_step, gram=operator.gram, lmbda=lmbda, max_bytes=max_bytes)
            if isinstance(operator, Dense)
            else None,
            tolerance=tolerance,
            max_steps=max_steps,
            max_bytes=max_bytes,
            hopeless=_beyond_precision(signals, lmbda, tolerance),
        )
    warn_unless(converged, "FISTA", MEND)
    state = codes
    if gradient == "implicit":
        codes = differentiate_implicitly(codes, signals, operator, max_bytes=max_bytes)
    elif gradient == "unrolled":
        codes = unroll(codes, signals, operator, prox, unrolled_steps)
    return Coded(codes.to(dtype), converged, state)


def _beyond_precision(signals: Tensor, lmbda: float, tolerance: float) -> Tensor:
    """Bool (N,): rounding alone leaves a larger gap, because lmbda is small beside what y - D s is computed with.

    The correlations D^T (y - D s), at most lmbda at the solution, are off by about eps ||y||, and the gap with them.
    """
    lengths = torch.linalg.vector_norm(signals.flatten(1), dim=1)
    too_coarse: Tensor = torch.finfo(signals.dtype).eps * lengths > tolerance * lmbda
    return too_coarse


def prepare(signals: Tensor, operator: SomeOperator) -> tuple[Tensor, SomeOperator, torch.dtype]:
    """Signals and operator in the precision to compute in, and the precision to answer in.

    Raises:
        ValueError: signals that do not fit the operator, are not finite or of another dtype or device.
    """
    if signals.shape[1:] != operator.signal_shape or signals.ndim != 1 + len(operator.signal_shape):
        raise ValueError(
            f"`signals` must have the operator's shape (N, {', '.join(map(str, operator.signal_shape))}), found "
            f"{tuple(signals.shape)}."
        )
    check_finite(signals=signals, dictionary=operator.atoms)
    check_scale(signals=signals, dictionary=operator.atoms)
    dtype = torch.promote_types(signals.dtype, torch.float32)
    return signals.to(dtype), operator.to(dtype), signals.dtype


def starting_codes(signals: Tensor, operator: Operator, start: Tensor | None) -> Tensor:
    """A copy of the start, or zeros."""
    if start is None:
        return signals.new_zeros(len(signals), *operator.code_shape)
    return checked_start(signals, operator, start).clone()


def checked_start(signals: Tensor, operator: Operator, start: Tensor) -> Tensor:
    """The start in the signals' dtype and on their device.

    Raises:
        ValueError: a start that is not one code a signal, or not finite.
    """
    shape = (len(signals), *operator.code_shape)
    if not isinstance(start, Tensor):
        raise ValueError(f"`start` must be codes, such as the `state` of a result, found {type(start).__name__}.")
    if start.shape != shape:
        raise ValueError(f"`start` must have the codes' shape {shape}, found {tuple(start.shape)}.")
    start = start.detach().to(signals)
    check_finite(start=start)
    return start


def _shrink(points: Tensor, size: Tensor, *, lmbda: float, positive: bool) -> Tensor:
    by = size * lmbda
    return (points - by).clamp_min(0) if positive else points - points.clamp(-by, by)
