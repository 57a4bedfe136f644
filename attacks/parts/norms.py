"""Balls and steps in the Linf, L2 and L1 norms, sample by sample."""

from typing import Literal

import torch
from torch import Tensor

Norm = Literal["Linf", "L2", "L1"]


def perturbation_norm(delta: Tensor, norm: Norm) -> Tensor:
    """Norm of each perturbation: (B, ...) -> (B,)."""
    order = {"Linf": float("inf"), "L2": 2, "L1": 1}[norm]
    sizes: Tensor = torch.linalg.vector_norm(delta.flatten(1), ord=order, dim=1)
    return sizes


def radii(eps: float, images: Tensor, norm: Norm, relative: bool = False) -> Tensor:
    """Radius of each image's ball: (B, ...) -> (B,), of the images' dtype.

    Args:
        eps: in [0, 1] pixel units or, if `relative`, as a multiple of ||x||.
        images: x, (B, ...).
        norm: of the ball and of ||x||.
        relative: whether each image's own norm is the unit (papers 002 and 004: the dissimilarity ||x' - x|| / ||x||).
    """
    if not relative:
        return images.new_full((len(images),), eps)
    # Half precision cannot hold the sum of a large image.
    precision = torch.promote_types(images.dtype, torch.float32)
    return (eps * perturbation_norm(images.to(precision), norm)).to(images.dtype)


def _column(eps: float | Tensor, flat: Tensor) -> Tensor:
    """A radius of all rows or one of each, to go with rows (B, D): (1, 1) or (B, 1)."""
    return torch.as_tensor(eps, dtype=flat.dtype, device=flat.device).reshape(-1, 1)


def project(delta: Tensor, eps: float | Tensor, norm: Norm) -> Tensor:
    """Nearest point (in L2) of the ball of radius `eps` (a number or (B,)), sample by sample: (B, ...) -> (B, ...)."""
    flat = delta.flatten(1)
    radius = _column(eps, flat)
    if norm == "Linf":
        return flat.clamp(-radius, radius).view_as(delta)
    if norm == "L2":
        lengths = flat.norm(dim=1, keepdim=True)
        return (flat * torch.where(lengths > radius, radius / lengths, 1)).view_as(delta)
    return _project_l1(flat, radius, torch.full_like(flat, torch.inf)).view_as(delta)


def confine(points: Tensor, images: Tensor, eps: float | Tensor, norm: Norm) -> Tensor:
    """Nearest images in [0, 1] that lie within `eps` (a number or (B,)) of `images`: (B, ...) -> (B, ...).

    Exact for Linf and L1 (Croce and Hein 2021, "Mind the box": clipping after a projection to the L1 ball would throw
    budget away); for L2 the ball first, then the box, which only moves nearer to images of the box.
    """
    delta = points - images
    if norm != "L1":
        return (images + project(delta, eps, norm)).clamp(0, 1)
    flat, pixels = delta.flatten(1), images.flatten(1)
    room = torch.where(flat > 0, 1 - pixels, pixels)
    moved = _project_l1(flat, _column(eps, flat), room).view_as(delta)
    nearest = (images + moved).clamp(0, 1)
    # The roundings of thousands of pixels add up: those that went outwards go inwards instead.
    outwards = (nearest - images).abs() > moved.abs()
    return torch.where(outwards, torch.nextafter(nearest, images), nearest)


def _project_l1(flat: Tensor, radius: Tensor, room: Tensor) -> Tensor:
    """Nearest rows with sum |d| <= radius and |d_i| <= room_i, of the same signs: (B, D), room (B, D) -> (B, D).

    d_i = sign(u_i) min((|u_i| - theta)_+, room_i) with the one theta that spends the radius. That sum is piecewise
    linear in theta, with corners where |u_i| - theta reaches 0 and room_i: theta lies between two sorted corners.
    """
    magnitudes = flat.abs()
    wanted = torch.minimum(magnitudes, room)
    # From the largest corner down the sum grows from 0; its slope counts the pixels that move and have room left.
    corners, order = torch.cat([magnitudes, (magnitudes - room).clamp_min(0)], dim=1).sort(dim=1, descending=True)
    slopes = torch.where(order < flat.shape[1], 1, -1).cumsum(dim=1)[:, :-1]
    spent = (slopes * (corners[:, :-1] - corners[:, 1:])).cumsum(dim=1)
    spent = torch.cat([torch.zeros_like(spent[:, :1]), spent], dim=1)
    last = ((spent <= radius).sum(dim=1, keepdim=True) - 1).clamp_max(slopes.shape[1] - 1)
    theta = corners.gather(1, last) - (radius - spent.gather(1, last)) / slopes.gather(1, last).clamp_min(1)
    shrunk = torch.minimum((magnitudes - theta).clamp_min(0), room)
    # What rounding leaves over the radius goes; towards 0 there is always room.
    total = shrunk.sum(dim=1, keepdim=True)
    shrunk = shrunk * torch.where(total > radius, radius / total, 1)
    return flat.sign() * torch.where(wanted.sum(dim=1, keepdim=True) <= radius, wanted, shrunk)


def steepest(
    gradient: Tensor, images: Tensor, step: float | Tensor, norm: Norm, sparsity: float | Tensor = 1.0
) -> Tensor:
    """Step of size `step` (a number or (B,)) along which the loss rises fastest: (B, ...) -> (B, ...).

    Linf: step * sign(g). L2: step * g / ||g||. L1: the same amount for the fraction `sparsity` (a number or (B,)) of
    the pixels that have the largest |g| and room to move in the box (Tramèr and Boneh 2019, SLIDE); all that are as
    large as the last of them. A zero gradient gives a zero step.
    """
    flat = gradient.flatten(1)
    length = _column(step, flat)
    if norm == "Linf":
        return (length * flat.sign()).view_as(gradient)
    if norm == "L2":
        return (length * _direction(flat)).view_as(gradient)
    pixels = images.flatten(1)
    stuck = ((pixels <= 0) & (flat < 0)) | ((pixels >= 1) & (flat > 0))
    free = flat.masked_fill(stuck, 0)
    fractions = torch.as_tensor(sparsity, dtype=torch.float64, device=flat.device).expand(len(flat))
    counts = (fractions * flat.shape[1]).round().long().clamp(1, flat.shape[1])
    largest = free.abs().topk(int(counts.max()), dim=1).values
    signs = free.sign() * (free.abs() >= largest.gather(1, counts[:, None] - 1))
    return (length * signs / signs.abs().sum(dim=1, keepdim=True).clamp_min(1)).view_as(gradient)


def _direction(flat: Tensor) -> Tensor:
    """Rows (B, D) at L2 length 1, zero rows left at zero; no square leaves the floats' range on the way."""
    largest = flat.abs().amax(dim=1, keepdim=True)
    scaled = flat / torch.where(largest > 0, largest, 1)
    inside: Tensor = scaled / scaled.norm(dim=1, keepdim=True).clamp_min(1)
    return inside


def linear_maximiser(gradient: Tensor, images: Tensor, eps: float | Tensor, norm: Norm) -> Tensor:
    """Images in [0, 1] within `eps` (a number or (B,)) of `images` that maximise <gradient, x>.

    Exact for Linf and L1 (the budget is spent on the pixels of largest |g|, each as far as the box lets it); for L2 the
    maximiser over the ball alone, eps * g / ||g||, clipped to the box.
    """
    if norm != "L1":
        return (images + steepest(gradient, images, eps, norm)).clamp(0, 1)
    flat, pixels = gradient.flatten(1), images.flatten(1)
    room = torch.where(flat > 0, 1 - pixels, pixels).masked_fill(flat == 0, 0)
    order = flat.abs().argsort(dim=1, descending=True, stable=True)
    ordered = room.gather(1, order)
    spent_before = ordered.cumsum(dim=1) - ordered
    spend = torch.minimum(ordered, (_column(eps, flat) - spent_before).clamp_min(0))
    moves = torch.zeros_like(flat).scatter_(1, order, spend) * flat.sign()
    return (pixels + moves).clamp(0, 1).view_as(images)


def random_point(normals: Tensor, uniforms: Tensor, eps: float | Tensor, norm: Norm) -> Tensor:
    """A point of the ball (`eps` a number or (B,)), uniform over its volume, from (B, ...) normal and uniform variates.

    Linf: eps (2u - 1). L2: a direction from the normals at a distance eps u^(1/d). L1: exponential variates with random
    signs, over their sum, at the same distance (u of the first pixel sets it).
    """
    flat, u = normals.flatten(1), uniforms.flatten(1)
    longest = _column(eps, flat)
    if norm == "Linf":
        return (longest * (2 * u - 1)).view_as(normals)
    radius = longest * u[:, :1] ** (1 / flat.shape[1])
    if norm == "L2":
        direction = _direction(flat)
    else:
        exponentials = -torch.log1p(-u)
        total = exponentials.sum(dim=1, keepdim=True)
        direction = flat.sign() * exponentials / torch.where(total > 0, total, 1)
        radius = longest * torch.erf(flat[:, :1].abs() / 2**0.5) ** (1 / flat.shape[1])
    return (radius * direction).view_as(normals)
