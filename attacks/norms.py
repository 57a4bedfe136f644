"""Balls and steps in the Linf, L2 and L1 norms, sample by sample."""

from typing import Literal

import torch
from torch import Tensor

Norm = Literal["Linf", "L2", "L1"]


def size(delta: Tensor, norm: Norm) -> Tensor:
    """Norm of each perturbation: (B, ...) -> (B,)."""
    order = {"Linf": float("inf"), "L2": 2, "L1": 1}[norm]
    return torch.linalg.vector_norm(delta.flatten(1), ord=order, dim=1)


def project(delta: Tensor, eps: float, norm: Norm) -> Tensor:
    """Nearest point (in L2) of the ball of radius `eps`, sample by sample: (B, ...) -> (B, ...)."""
    if norm == "Linf":
        return delta.clamp(-eps, eps)
    flat = delta.flatten(1)
    if norm == "L2":
        lengths = flat.norm(dim=1, keepdim=True)
        return (flat * (eps / lengths.clamp_min(eps)) if eps else torch.zeros_like(flat)).view_as(delta)
    return _project_l1(flat, eps).view_as(delta)


def _project_l1(flat: Tensor, eps: float) -> Tensor:
    """Duchi et al. (2008), figure 1, for all rows at once: shrink by the theta that leaves sum |x - theta|_+ = eps."""
    magnitudes = flat.abs()
    ordered = magnitudes.sort(dim=1, descending=True).values
    excess = ordered.cumsum(dim=1) - eps
    ranks = torch.arange(1, flat.shape[1] + 1, dtype=flat.dtype, device=flat.device)
    survivors = (ordered * ranks > excess).sum(dim=1, keepdim=True).clamp_min(1)
    theta = excess.gather(1, survivors - 1) / survivors
    shrunk = flat.sign() * (magnitudes - theta).clamp_min(0)
    return torch.where(magnitudes.sum(dim=1, keepdim=True) <= eps, flat, shrunk)


def steepest(gradient: Tensor, images: Tensor, step: float, norm: Norm, sparsity: float) -> Tensor:
    """Step of size `step` along which the loss rises fastest: (B, ...) -> (B, ...).

    Linf: step * sign(g). L2: step * g / ||g||. L1: the same amount for the share `sparsity` of the pixels that have the
    largest |g| and room to move in the box (Tramèr and Boneh 2019, SLIDE). A zero gradient gives a zero step.
    """
    if norm == "Linf":
        return step * gradient.sign()
    flat = gradient.flatten(1)
    if norm == "L2":
        return (step * _direction(flat)).view_as(gradient)
    pixels = images.flatten(1)
    stuck = ((pixels <= 0) & (flat < 0)) | ((pixels >= 1) & (flat > 0))
    free = flat.masked_fill(stuck, 0)
    count = max(1, round(sparsity * flat.shape[1]))
    chosen = free.abs().topk(count, dim=1).indices
    signs = torch.zeros_like(flat).scatter_(1, chosen, free.gather(1, chosen).sign())
    return (step * signs / signs.abs().sum(dim=1, keepdim=True).clamp_min(1)).view_as(gradient)


def _direction(flat: Tensor) -> Tensor:
    """Rows (B, D) at L2 length 1, zero rows left at zero; no square leaves the floats' range on the way."""
    largest = flat.abs().amax(dim=1, keepdim=True)
    scaled = flat / torch.where(largest > 0, largest, 1)
    return scaled / scaled.norm(dim=1, keepdim=True).clamp_min(1)


def linear_maximiser(gradient: Tensor, images: Tensor, eps: float, norm: Norm) -> Tensor:
    """Images in [0, 1] within `eps` of `images` that maximise <gradient, x>.

    Exact for Linf and L1 (the budget is spent on the pixels of largest |g|, each as far as the box lets it); for L2 the
    maximiser over the ball alone, eps * g / ||g||, clipped to the box.
    """
    if norm != "L1":
        return (images + steepest(gradient, images, eps, norm, 1.0)).clamp(0, 1)
    flat, pixels = gradient.flatten(1), images.flatten(1)
    room = torch.where(flat > 0, 1 - pixels, pixels).masked_fill(flat == 0, 0)
    order = flat.abs().argsort(dim=1, descending=True, stable=True)
    ordered = room.gather(1, order)
    spent_before = ordered.cumsum(dim=1) - ordered
    spend = torch.minimum(ordered, (eps - spent_before).clamp_min(0))
    moves = torch.zeros_like(flat).scatter_(1, order, spend) * flat.sign()
    return (pixels + moves).clamp(0, 1).view_as(images)


def random_point(normals: Tensor, uniforms: Tensor, eps: float, norm: Norm) -> Tensor:
    """A point of the ball, uniform over its volume, from (B, ...) normal and uniform variates.

    Linf: eps (2u - 1). L2: a direction from the normals at a distance eps u^(1/d). L1: exponential variates with random
    signs, over their sum, at the same distance (u of the first pixel sets it).
    """
    if norm == "Linf":
        return eps * (2 * uniforms - 1)
    flat, u = normals.flatten(1), uniforms.flatten(1)
    radius = eps * u[:, :1] ** (1 / flat.shape[1])
    if norm == "L2":
        direction = _direction(flat)
    else:
        exponentials = -torch.log1p(-u)
        total = exponentials.sum(dim=1, keepdim=True)
        direction = flat.sign() * exponentials / torch.where(total > 0, total, 1)
        radius = eps * torch.erf(flat[:, :1].abs() / 2**0.5) ** (1 / flat.shape[1])
    return (radius * direction).view_as(normals)
