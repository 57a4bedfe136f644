"""Derivatives of convolutional codes with respect to images and filters."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.fft import irfft2, rfft2

from sparsecode._cbpdn_admm import RELAXATION
from sparsecode._choices import Backend
from sparsecode._circular import convolve, correlate, correlate_pairs, filter_gram, mix
from sparsecode.checks import warn_unless
from sparsecode.value_with_gradient_of import value_with_gradient_of

_PENALTY = 1.0  # of the unrolled ADMM, whose rho must not depend on how the solver came to the code
_CG_STEPS = 1000


def unrolled(images: Tensor, filters: Tensor, codes: Tensor, lmbda: float, steps: int) -> Tensor:
    """The codes, differentiated through ADMM iterations that start at them.

    At a solution z, ADMM's scaled dual is D^T (y - D z) / rho, whatever solver found it, and the iterations stay there.

    Args:
        images: (N, C, H, W).
        filters: (K, C, h, w).
        codes: (N, K, H, W), the solution.
        lmbda: weight of the l1 norm.
        steps: iterations.

    Returns:
        Tensor with the values of `codes` and the derivatives of the last iterate.
    """
    size = tuple(images.shape[-2:])
    spectra = rfft2(filters, s=size).transpose(0, 1)
    adjoint = spectra.conj().transpose(0, 1)
    power = torch.einsum("ckij,dkij->ijcd", spectra, spectra.conj())
    inverse = torch.linalg.inv(power + _PENALTY * torch.eye(power.shape[-1], dtype=power.dtype, device=power.device))
    inverse = inverse.permute(2, 3, 0, 1)
    target = rfft2(images)
    bound = lmbda / _PENALTY
    with torch.no_grad():
        u = correlate(images - convolve(codes, filters), filters).clamp(-lmbda, lmbda) / _PENALTY
    z = codes
    for _ in range(steps):
        w = z - u
        x = w + irfft2(mix(mix(target - mix(rfft2(w), spectra), inverse), adjoint), s=size)
        v = RELAXATION * x + (1 - RELAXATION) * z + u
        u = v.clamp(-bound, bound)
        z = v - u
    return value_with_gradient_of(z, codes)


def implicit(images: Tensor, filters: Tensor, codes: Tensor, backend: Backend, at_once: int) -> Tensor:
    """The codes, differentiated through the optimality conditions on their support.

    There D_S^T (y - D z) = lmbda sign(z), so dz_S = (D_S^T D_S)^-1 (dD_S^T (y - D z) + D_S^T (dy - dD z)). The system
    is solved backward, for the incoming gradient, by conjugate gradients.

    Args:
        images: (N, C, H, W).
        filters: (K, C, h, w).
        codes: (N, K, H, W), the solution.
        backend: native multiplies with the sparse Gram matrix of the support, torch in the Fourier domain.
        at_once: images solved together in torch.

    Returns:
        Tensor with the values of `codes` and these derivatives, once differentiable.
    """
    linked: Tensor = _Implicit.apply(images, filters, codes, backend, at_once)
    return linked


class _Implicit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, filters: Tensor, codes: Tensor, backend: Backend, at_once: int) -> Tensor:
        ctx.save_for_backward(images, filters, codes)
        ctx.backend, ctx.at_once = backend, at_once
        return codes.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor | None, ...]:
        images, filters, codes = ctx.saved_tensors
        if ctx.backend == "native":
            solved, converged = _solve_natively(filters, codes, incoming)
        else:
            parts = zip(codes.split(ctx.at_once), incoming.split(ctx.at_once), strict=True)
            pairs = [_solve_by_fourier(filters, code, right) for code, right in parts]
            solved, converged = (torch.cat(part) for part in zip(*pairs, strict=True))
        warn_unless(converged, "The implicit gradient of cbpdn", "filters on the support nearly depend on each other")
        by_images, by_filters = torch.empty_like(images), torch.zeros_like(filters)
        for i in range(0, len(images), ctx.at_once):
            some = slice(i, i + ctx.at_once)
            by_images[some] = convolve(solved[some], filters)  # D v
            if ctx.needs_input_grad[1]:
                residual = images[some] - convolve(codes[some], filters)
                size = (filters.shape[2], filters.shape[3])
                by_filters += correlate_pairs(solved[some], residual, size)
                by_filters -= correlate_pairs(codes[some], by_images[some], size)
        return by_images, by_filters if ctx.needs_input_grad[1] else None, None, None, None


def _ridge(dtype: torch.dtype) -> float:
    """Of rounding size; it keeps the system of atoms that depend on each other solvable."""
    return 100 * torch.finfo(dtype).eps


def _precision(dtype: torch.dtype) -> float:
    """Of the solution, relative."""
    return 30 * torch.finfo(dtype).eps


def _solve_natively(filters: Tensor, codes: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Solve D_S^T D_S v_S = right_S, v zero off the support S of the codes; and which images converged."""
    from sparsecode._native.parallel import over_signals
    from sparsecode._native.support_system import solve_on_support

    solved, converged = torch.zeros_like(codes), torch.zeros(len(codes), dtype=torch.bool)
    gram = filter_gram(filters).numpy()
    arrays = codes.numpy(), gram, right.contiguous().numpy(), _ridge(codes.dtype), _precision(codes.dtype), _CG_STEPS
    results = solved.numpy(), converged.numpy()
    over_signals(lambda first, last: solve_on_support(*arrays, *results, first, last), len(codes), smallest=1)
    return solved, converged


def _solve_by_fourier(filters: Tensor, codes: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """The same in torch, all images at once, each with its own steps."""
    support = codes != 0
    right = right * support
    solved, rest = torch.zeros_like(right), right
    direction, energy = rest, _inner(rest, rest)
    goal = energy * _precision(right.dtype) ** 2
    for _ in range(_CG_STEPS):
        going = energy > goal
        if not going.any():
            break
        image = correlate(convolve(direction, filters), filters) * support + _ridge(right.dtype) * direction
        along = torch.where(going, energy / _inner(direction, image), 0.0)
        solved = solved + along * direction
        rest = rest - along * image
        before, energy = energy, _inner(rest, rest)
        direction = rest + torch.where(going, energy / before, 0.0) * direction
    return solved, (energy <= goal).flatten()


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(1, 2, 3), keepdim=True)
