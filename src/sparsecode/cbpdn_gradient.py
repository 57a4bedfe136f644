"""Derivatives of convolutional codes with respect to images and filters."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.fft import irfft2, rfft2

from sparsecode.cbpdn_admm import RELAXATION
from sparsecode.circular import convolve, correlate, correlate_pairs, mix

_PENALTY = 1.0  # of the unrolled ADMM, whose rho must not depend on how the solver came to the code
_CG_STEPS = 300


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
    return codes + (z - z.detach())


def implicit(images: Tensor, filters: Tensor, codes: Tensor, at_once: int) -> Tensor:
    """The codes, differentiated through the optimality conditions on their support.

    There D_S^T (y - D z) = lmbda sign(z), so dz_S = (D_S^T D_S)^-1 (dD_S^T (y - D z) + D_S^T (dy - dD z)). The system
    is solved backward, for the incoming gradient, by conjugate gradients on all images at once.

    Args:
        images: (N, C, H, W).
        filters: (K, C, h, w).
        codes: (N, K, H, W), the solution.
        at_once: images solved together.

    Returns:
        Tensor with the values of `codes` and these derivatives, once differentiable.
    """
    return _Implicit.apply(images, filters, codes, at_once)


class _Implicit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, filters: Tensor, codes: Tensor, at_once: int) -> Tensor:
        ctx.save_for_backward(images, filters, codes)
        ctx.at_once = at_once
        return codes.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        images, filters, codes = ctx.saved_tensors
        by_images, by_filters = torch.empty_like(images), torch.zeros_like(filters)
        for i in range(0, len(images), ctx.at_once):
            some = slice(i, i + ctx.at_once)
            solved = _solve_on_support(filters, codes[some] != 0, incoming[some])
            by_images[some] = convolve(solved, filters)  # D v
            if ctx.needs_input_grad[1]:
                residual = images[some] - convolve(codes[some], filters)
                size = (filters.shape[2], filters.shape[3])
                by_filters += correlate_pairs(solved, residual, size)
                by_filters -= correlate_pairs(codes[some], by_images[some], size)
        return by_images, by_filters if ctx.needs_input_grad[1] else None, None, None


def _solve_on_support(filters: Tensor, support: Tensor, right: Tensor) -> Tensor:
    """Solve D_S^T D_S v_S = right_S by conjugate gradients, each image with its own steps; v is zero off the support.

    A ridge of rounding size keeps the system of atoms that depend on each other solvable.
    """
    precision = torch.finfo(right.dtype).eps
    right = right * support
    solved, rest = torch.zeros_like(right), right
    direction, energy = rest, _inner(rest, rest)
    goal = energy * (30 * precision) ** 2
    for _ in range(_CG_STEPS):
        going = energy > goal
        if not going.any():
            break
        image = correlate(convolve(direction, filters), filters) * support + 100 * precision * direction
        along = torch.where(going, energy / _inner(direction, image), 0.0)
        solved = solved + along * direction
        rest = rest - along * image
        before, energy = energy, _inner(rest, rest)
        direction = rest + torch.where(going, energy / before, 0.0) * direction
    return solved


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(1, 2, 3), keepdim=True)
