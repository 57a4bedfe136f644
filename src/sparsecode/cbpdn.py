"""Convolutional basis pursuit denoising."""

from typing import NamedTuple

import torch
from torch import Tensor

from sparsecode._cbpdn_admm import admm, first_penalty, rotate
from sparsecode._cbpdn_gradient import implicit, unrolled
from sparsecode._choices import Backend, Gradient, default_backend
from sparsecode._circular import convolve, correlate, filter_gram
from sparsecode._named_kinds import named_kinds
from sparsecode.checks import (
    check_filters_fit,
    check_finite,
    check_positive,
    check_scale,
    check_unit_norm,
    warn_unless,
    whole_number,
)
from sparsecode.coded import Coded
from sparsecode.full_precision import full_precision

_ADMM_MAPS = 16  # maps of the codes' size that an image needs at once
_CACHE = 2**22  # bytes; on a CPU, images that together need more are solved faster one after the other


class CbpdnState(NamedTuple):
    """Where a solver of `cbpdn` stopped. Either backend goes on from the other's.

    Attributes:
        codes: (N, K, H, W) in the dtype of the computation.
        dual: (N, K, H, W), ADMM's scaled dual variable; None from the compiled solver, which needs none.
        rho: (N,), ADMM's penalty; None likewise.
    """

    codes: Tensor
    dual: Tensor | None = None
    rho: Tensor | None = None


@full_precision
@named_kinds
def cbpdn(
    images: Tensor,
    filters: Tensor,
    lmbda: float,
    *,
    tolerance: float = 5e-3,
    max_steps: int = 1000,
    start: CbpdnState | Tensor | None = None,
    gradient: Gradient = "none",
    unrolled_steps: int = 20,
    backend: Backend | None = None,
    max_bytes: int = 2**30,
) -> Coded:
    """Minimise 1/2 sum_c ||sum_k d_{k,c} * z_k - y_c||^2 + lmbda sum_k ||z_k||_1 for every image y.

    All channels of an image share one code, and * is convolution that goes on at the opposite border, as in SPORCO's
    `ConvBPDN` (Wohlberg 2016; the problem of paper 002). Each image stops by its own rule and then costs nothing, so
    its code does not depend on its batch mates. Two solvers:

    * native: locally greedy coordinate descent (Moreau et al. 2018) on a growing set of coefficients. An image is done
      when no coefficient, minimised alone, would move by more than `tolerance` times `lmbda`. It costs what the
      nonzeros cost, and works outside its results in a few times the image's and the filters' bytes a thread, beside
      (2h - 1) (2w - 1) K^2 numbers shared by all.
    * torch: ADMM in the Fourier domain (Wohlberg 2016, 2017), batched. An image is done by SPORCO's rule, when the
      relative primal and dual residuals are below `tolerance`; its codes are then less precise than the native ones.

    Args:
        images: (N, C, H, W), usually the high-pass part of `tikhonov_split`.
        filters: (K, C, h, w), each of unit norm over (C, h, w), no larger than an image.
        lmbda: weight of the l1 norm, positive.
        tolerance: of the stopping rule, relative.
        max_steps: iterations of ADMM, or rounds of choosing coefficients.
        start: an earlier `state`, or codes (N, K, H, W), to start from; zero if absent.
        gradient: how the codes are differentiated by images and filters. `unrolled`: through ADMM's iterations.
            `implicit`: through the optimality conditions on the support, by conjugate gradients; exact only as far as
            the codes are: with a `tolerance` of 5e-3 it can be wrong by half, with 1e-4 by a few percent.
        unrolled_steps: iterations differentiated by `unrolled`.
        backend: native or torch; chosen by the device if absent.
        max_bytes: working memory; batches that need more are split. Results are not counted.

    Returns:
        Codes (N, K, H, W), which images met the stopping rule, and a `CbpdnState`.

    Raises:
        ValueError: shapes that do not fit, filters not of unit norm, NaN, numbers not positive, or an unknown name.
    """
    _check(images, filters)
    max_steps = whole_number(max_steps, "max_steps")
    unrolled_steps = whole_number(unrolled_steps, "unrolled_steps")
    check_positive(
        lmbda=lmbda, tolerance=tolerance, max_steps=max_steps, unrolled_steps=unrolled_steps, max_bytes=max_bytes
    )
    if gradient not in ("none", "unrolled", "implicit"):
        raise ValueError(f"`gradient` must be none, unrolled or implicit, found {gradient!r}.")
    backend = default_backend(backend, images.device.type)
    dtype = images.dtype
    if dtype in (torch.float16, torch.bfloat16):
        images, filters = images.float(), filters.float()
    start = _start(images, filters, start)
    with torch.no_grad():
        if backend == "native":
            state, converged = _by_descent(images, filters, lmbda, tolerance, max_steps, start)
        else:
            state, converged = _by_admm(images, filters, lmbda, tolerance, max_steps, start, max_bytes)
    warn_unless(converged, "cbpdn", f"raise `max_steps` above {max_steps} or `tolerance` above {tolerance:g}")
    codes = state.codes
    if gradient != "none" and torch.is_grad_enabled() and (images.requires_grad or filters.requires_grad):
        if gradient == "implicit":
            at_once = max(max_bytes // (_ADMM_MAPS * _map_bytes(images, filters)), 1)
            codes = implicit(images, filters, codes, backend, at_once)
        else:
            codes = unrolled(images, filters, codes, lmbda, unrolled_steps)
    return Coded(codes.to(dtype), converged, state)


def _check(images: Tensor, filters: Tensor) -> None:
    if images.ndim != 4 or filters.ndim != 4 or images.shape[1] != filters.shape[1] or not filters.numel():
        raise ValueError(
            f"`images` (N, C, H, W) and `filters` (K, C, h, w) must share C and filters must not be empty, found "
            f"{tuple(images.shape)} and {tuple(filters.shape)}."
        )
    check_filters_fit(images, filters)
    check_finite(images=images, filters=filters)
    check_scale(images=images)
    check_unit_norm("`filters` must each have unit norm over (C, h, w)", filters.flatten(1).T)


def _start(images: Tensor, filters: Tensor, start: CbpdnState | Tensor | None) -> CbpdnState | None:
    """A start in the computation's dtype that fits the images."""
    if start is None:
        return None
    if not isinstance(start, Tensor | CbpdnState):
        raise ValueError(
            f"`start` must be codes, or the `state` of a result, found {type(start).__name__}; pass its `.state`."
        )
    parts = (start,) if isinstance(start, Tensor) else start
    shape = (len(images), len(filters), *images.shape[2:])
    for part, expected in zip(parts, (shape, shape, shape[:1]), strict=False):
        if part is None:
            continue
        if part.shape != expected:
            raise ValueError(f"`start` must hold codes of shape {shape} for these images, found {tuple(part.shape)}.")
        check_finite(start=part)
    return CbpdnState(*(None if part is None else part.detach().to(images) for part in parts))  # type: ignore[arg-type]


def _map_bytes(images: Tensor, filters: Tensor) -> int:
    return len(filters) * images.shape[2] * images.shape[3] * images.element_size()


def _by_admm(
    images: Tensor,
    filters: Tensor,
    lmbda: float,
    tolerance: float,
    max_steps: int,
    start: CbpdnState | None,
    max_bytes: int,
) -> tuple[CbpdnState, Tensor]:
    rotated = rotate(filters, (images.shape[2], images.shape[3]))
    room = min(max_bytes, _CACHE) if images.device.type == "cpu" else max_bytes
    at_once = max(room // (_ADMM_MAPS * _map_bytes(images, filters)), 1)
    codes = images.new_zeros(len(images), len(filters), *images.shape[2:])
    end = (codes, torch.zeros_like(codes), images.new_full((len(images),), first_penalty(lmbda)))
    if start is not None:
        end[0].copy_(start.codes)
        if start.rho is not None:
            end[2].copy_(start.rho)
    converged = torch.ones(len(images), dtype=torch.bool, device=images.device)
    for i in range(0, len(images), at_once):
        some = slice(i, i + at_once)
        slack = correlate(images[some], filters)
        # The relative residuals of an image whose code is zero never fall.
        silent = slack.abs().amax(dim=(1, 2, 3)) <= lmbda
        if start is None:
            slack.mul_(silent.view(-1, 1, 1, 1))
        elif start.dual is None or start.rho is None:
            slack = correlate(images[some] - convolve(codes[some] * ~silent.view(-1, 1, 1, 1), filters), filters)
            slack = slack.clamp(-lmbda, lmbda)
        else:
            slack = torch.where(silent.view(-1, 1, 1, 1), slack, start.dual[some] * end[2][some].view(-1, 1, 1, 1))
        end[0][some].mul_(~silent.view(-1, 1, 1, 1))
        end[1][some] = slack / end[2][some].view(-1, 1, 1, 1)
        busy = i + (~silent).nonzero().flatten()
        if len(busy):
            parts = (end[0][busy], end[1][busy], end[2][busy])
            parts, converged[busy] = admm(images[busy], rotated, lmbda, tolerance, max_steps, parts)
            for whole, part in zip(end, parts, strict=True):
                whole[busy] = part
    return CbpdnState(*end), converged


def _by_descent(
    images: Tensor, filters: Tensor, lmbda: float, tolerance: float, max_steps: int, start: CbpdnState | None
) -> tuple[CbpdnState, Tensor]:
    from sparsecode._native.lgcd import descend
    from sparsecode._native.parallel import over_signals

    shape = (len(images), len(filters), *images.shape[2:])
    codes = images.new_zeros(shape) if start is None else start.codes.clone(memory_format=torch.contiguous_format)
    converged = torch.zeros(len(images), dtype=torch.bool)
    number = images.detach().contiguous().numpy()
    bank, gram = filters.detach().contiguous().numpy(), filter_gram(filters.detach()).numpy()
    real = number.dtype.type
    threshold, smallest = real(lmbda), real(tolerance * lmbda)
    results = codes.numpy(), converged.numpy()
    over_signals(
        lambda first, last: descend(number, bank, gram, threshold, smallest, max_steps, *results, first, last),
        len(images),
        smallest=1,
    )
    return CbpdnState(codes), converged
