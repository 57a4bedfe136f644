"""Convolutional basis pursuit denoising by ADMM in the Fourier domain."""

import math

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2

from sparsecode._circular import mix

RELAXATION = 1.8
_FREE_STEPS = 100
_RANGE = 1e3


def first_penalty(lmbda: float) -> float:
    """The penalty rho to start from that Wohlberg (2016) found good for images in [0, 1]."""
    return 50 * lmbda + 1


def rotate(filters: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Filters and channels in the basis in which D D^H is diagonal at every frequency.

    D D^H = V L V^H is only C by C. With E = V^H D, the minimiser of 1/2 ||D x - y||^2 + rho/2 ||x - w||^2 is
    x = w + E^H (V^H y - E w) / (rho + L): elementwise, for any rho.

    Args:
        filters: (K, C, h, w).
        size: H, W of the images.

    Returns:
        E (C, K, H, W // 2 + 1), L (C, H, W // 2 + 1) and V^H (C, C, H, W // 2 + 1).
    """
    spectra = rfft2(filters, s=size).transpose(0, 1)
    power = torch.einsum("ckij,dkij->ijcd", spectra, spectra.conj())
    values, vectors = torch.linalg.eigh(power)
    turn = vectors.conj().permute(3, 2, 0, 1).contiguous()  # V^H: rows are eigenvectors, conjugated
    return mix(spectra.transpose(0, 1), turn).transpose(0, 1).contiguous(), values.permute(2, 0, 1).contiguous(), turn


def admm(
    images: Tensor,
    rotated: tuple[Tensor, Tensor, Tensor],
    lmbda: float,
    tolerance: float,
    max_steps: int,
    state: tuple[Tensor, Tensor, Tensor],
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Wohlberg's ADMM (2016, section III and VI): x = z split off, adaptive rho, over-relaxed, each image on its own.

    x <- argmin 1/2 ||D x - y||^2 + rho/2 ||x - z + u||^2;  v = 1.8 x - 0.8 z + u;  z <- shrink(v, lmbda / rho);
    u <- v - z. The penalty rho follows the ratio of the two residuals, and an image stops as SPORCO's does: when
    ||x - z|| / max(||x||, ||z||) and ||z - z_before|| / ||u|| are both below `tolerance`. It then leaves the
    computation.

    Args:
        images: (N, C, H, W).
        rotated: from `rotate`.
        lmbda: weight of the l1 norm.
        tolerance: of both relative residuals.
        max_steps: iterations.
        state: z (N, K, H, W), u of the same shape, and rho (N,).

    Returns:
        The last state, and bool (N,): which images stopped by the rule.
    """
    size = (images.shape[-2], images.shape[-1])
    filters, power, turn = rotated
    adjoint = filters.conj().resolve_conj().transpose(0, 1)
    target = mix(rfft2(images), turn)
    end = tuple(part.clone() for part in state)
    z, u, rho = state
    rho = rho.view(-1, 1, 1, 1)
    done = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    active = torch.arange(len(images), device=images.device)
    # The residuals' ratio that is best aimed at depends on lmbda: Wohlberg (2017), section VI C.
    aim = 1 + 18.3 ** (math.log10(lmbda) + 1)
    # Where codes are almost zero the ratio says nothing, and rho would run away.
    lowest, highest = first_penalty(lmbda) / _RANGE, first_penalty(lmbda) * _RANGE
    for step in range(max_steps):
        x = z - u
        x += irfft2(mix((target - mix(rfft2(x), filters)) / (rho + power), adjoint), s=size)
        v = torch.add(u, x, alpha=RELAXATION).add_(z, alpha=1 - RELAXATION)
        bound = lmbda / rho
        u = v.clamp(-bound, bound)
        before, z = z, v.sub_(u)
        largest = _positive(torch.maximum(_norms(x), _norms(z)))
        primal = _norms(x.sub_(z)) / largest
        dual = _norms(before.sub_(z) if step else before - z) / _positive(_norms(u))
        stopped = (primal < tolerance) & (dual < tolerance)
        if stopped.any() or step == max_steps - 1:
            for whole, part in zip(end, (z, u, rho.flatten()), strict=True):
                whole[active] = part
            done[active] = stopped
            going = (~stopped).nonzero().flatten()
            if not len(going):
                break
            active, z, u, rho, target = active[going], z[going], u[going], rho[going], target[going]
            primal, dual = primal[going], dual[going]
        if step:
            # Steps of rho whose logarithms sum to a bound, as convergence needs: freely at first, as SPORCO, then less.
            widest = 1e3 if step < _FREE_STEPS else 1 + (_FREE_STEPS / step) ** 2
            followed = _follow(rho, primal / aim, dual, widest).clamp(lowest, highest)
            u.mul_(rho / followed)
            rho = followed
    return (end[0], end[1], end[2]), done


def _follow(rho: Tensor, primal: Tensor, dual: Tensor, widest: float) -> Tensor:
    """Rho brought nearer to balance of the residuals, by a factor of at most `widest`."""
    ratio = (primal / _positive(dual)).view(-1, 1, 1, 1)
    factor = ratio.sqrt().clamp(1 / widest, widest)
    return torch.where((ratio > 1.2) | (ratio < 1 / 1.2), rho * factor, rho)


def _norms(maps: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(maps, dim=(1, 2, 3))
    return norms


def _positive(norms: Tensor) -> Tensor:
    return torch.where(norms > 0, norms, 1.0)
