"""Sparse codes of a bounded l1 norm."""

from functools import partial

import torch
from torch import Tensor

from sparsecode._accelerated import accelerate, unroll
from sparsecode._choices import Gradient
from sparsecode._implicit import check_gradient, differentiate_implicitly
from sparsecode._named_kinds import named_kinds
from sparsecode._newton_step import newton_step
from sparsecode.checks import check_finite, check_positive, warn_unless, whole_number
from sparsecode.coded import Coded
from sparsecode.fista import prepare, starting_codes
from sparsecode.full_precision import full_precision
from sparsecode.operators import Dense


@named_kinds
def project_onto_l1_ball(points: Tensor, radius: float, *, positive: bool = False) -> Tensor:
    """The nearest points of norm ||s||_1 <= radius: the points shrunk by theta, exactly (Duchi et al. 2008).

    With magnitudes sorted from large to small, theta = max_k (sum of the first k - radius) / k, or 0 if that is less.

    Args:
        points: (..., K).
        radius: of the ball, positive.
        positive: the part of the ball at or above 0 alone.

    Raises:
        ValueError: a radius that is not positive, points that are not finite floating-point numbers.
    """
    check_positive(radius=radius)
    check_finite(points=points)
    return _projected(points, radius=radius, positive=positive)


def _projected(points: Tensor, *, radius: float, positive: bool) -> Tensor:
    """Computed with magnitudes less the largest: beside large ones a radius would be lost in rounding."""
    magnitudes = points.clamp_min(0) if positive else points.abs()
    if points.shape[-1] == 0:
        return points.clone()
    largest = magnitudes.detach().amax(dim=-1, keepdim=True)  # it cancels, in the gradient too
    below = magnitudes - largest
    sums = below.sort(dim=-1, descending=True).values.cumsum(dim=-1)
    counts = torch.arange(1, points.shape[-1] + 1, device=points.device, dtype=points.dtype)
    theta = ((sums - radius) / counts).amax(dim=-1, keepdim=True)
    shrunk = torch.where(theta > -largest, (below - theta).clamp_min(0), magnitudes)
    return points.sign() * shrunk


@full_precision
@named_kinds
def constrained_lasso(
    signals: Tensor,
    dictionary: Tensor,
    t: float,
    *,
    tolerance: float = 1e-3,
    max_steps: int = 10_000,
    start: Tensor | None = None,
    positive: bool = False,
    gradient: Gradient = "none",
    unrolled_steps: int = 10,
    max_bytes: int = 2**30,
) -> Coded:
    """Minimise 1/2 ||y - D s||^2 over ||s||_1 <= t for every signal y, as paper 000 writes it; atoms of any norm.

    Accelerated projected gradient steps, and Newton steps on the nonzeros now and then. A signal stops when the
    Frank-Wolfe gap t ||D^T r||_inf - <s, D^T r>, r = y - D s, which bounds how far its objective is from the least, is
    at most `tolerance` times what the code gains over none, the gap counted as gained; whatever the others do. With a
    bound far above the l1 norm that the signal needs, single precision never gets so far.

    Args:
        signals: (N, m).
        dictionary: (m, K).
        t: bound of the l1 norm, positive.
        tolerance: gap, relative to 1/2 ||y||^2 - 1/2 ||y - D s||^2 + gap, at which a signal is done.
        max_steps: most steps.
        start: (N, K) codes to start from, such as an earlier `state`; zero if absent.
        positive: only codes at or above 0.
        gradient: how codes are differentiated, with respect to the signals and the dictionary.
        unrolled_steps: steps that `unrolled` repeats at the solution.
        max_bytes: working memory; the batch is split to stay below it.

    Returns:
        Codes (N, K); their state is the codes, without a graph.

    Raises:
        ValueError: signals, a dictionary or a start that do not fit, are not finite or of different dtypes; `t` or
            `tolerance` not positive; an unknown gradient.
    """
    check_positive(t=t, tolerance=tolerance)
    max_steps = whole_number(max_steps, "max_steps", 0)
    unrolled_steps = check_gradient(gradient, unrolled_steps)
    signals, operator, dtype = prepare(signals, Dense(dictionary))
    project = partial(_projected, radius=t, positive=positive)
    with torch.no_grad():
        codes, converged = accelerate(
            signals,
            operator,
            starting_codes(signals, operator, start),
            prox=lambda points, _size: project(points),
            gap=partial(_gap, radius=t, positive=positive),
            polish=partial(newton_step, gram=operator.gram, radius=t, max_bytes=max_bytes),
            tolerance=tolerance,
            max_steps=max_steps,
            max_bytes=max_bytes,
        )
    warn_unless(converged, "The constrained LASSO", "raise `max_steps` or `tolerance`")
    state = codes
    if gradient == "implicit":
        bounded = codes.abs().sum(dim=1) > t * (1 - 1e3 * torch.finfo(codes.dtype).eps)
        codes = differentiate_implicitly(codes, signals, operator, bounded=bounded, max_bytes=max_bytes)
    elif gradient == "unrolled":
        codes = unroll(codes, signals, operator, lambda points, _size: project(points), unrolled_steps)
    return Coded(codes.to(dtype), converged, state)


def _gap(codes: Tensor, slack: Tensor, residual: Tensor, signals: Tensor, *, radius: float, positive: bool) -> Tensor:
    """The Frank-Wolfe gap over the most that a code can gain, (N,); no term of its sum is negative."""
    most = (slack.amax(dim=1).clamp_min(0) if positive else slack.abs().amax(dim=1))[:, None]
    spare = (radius - codes.abs().sum(dim=1)).clamp_min(0)
    gap = (codes.abs() * most - codes * slack).sum(dim=1) + spare * most[:, 0]
    gained = ((signals + residual) * (signals - residual)).sum(dim=1).clamp_min(0) / 2
    return torch.where(gap <= 0, 0.0, gap / (gained + gap))  # NaN, of numbers out of range, is no gap of 0
