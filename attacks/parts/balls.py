"""Nearest and random points of Linf, L2 and L1 balls, sample by sample."""

from typing import cast, get_args

import torch
from torch import Tensor

from sparsefront.attacks.parts.norms import Norm, column, radii, unit_direction
from sparsefront.common.budget import Budget


def project(delta: Tensor, eps: float | Tensor, norm: Norm) -> Tensor:
    """Nearest point (in L2) of the ball of radius `eps` (a number or (B,)), sample by sample: (B, ...) -> (B, ...)."""
    flat = delta.flatten(1)
    radius = column(eps, flat)
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
    moved = _project_l1(flat, column(eps, flat), room).view_as(delta)
    nearest = (images + moved).clamp(0, 1)
    # The roundings of thousands of pixels add up: those that went outwards go inwards instead.
    outwards = (nearest - images).abs() > moved.abs()
    return torch.where(outwards, torch.nextafter(nearest, images), nearest)


def inside(budget: Budget | None, points: Tensor, images: Tensor) -> Tensor:
    """Nearest images in [0, 1] of a budget's balls around images, (B, ...) -> (B, ...); the points if it is None."""
    if budget is None or budget.norm not in get_args(Norm):
        return points
    norm = cast("Norm", budget.norm)
    return confine(points, images, radii(budget.size, images, norm, budget.relative), norm)


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


def random_point(normals: Tensor, uniforms: Tensor, eps: float | Tensor, norm: Norm) -> Tensor:
    """A point of the ball (`eps` a number or (B,)), uniform over its volume, from (B, ...) normal and uniform variates.

    Linf: eps (2u - 1). L2: a direction from the normals at a distance eps u^(1/d). L1: exponential variates with random
    signs, over their sum, at the same distance (u of the first pixel sets it).
    """
    flat, u = normals.flatten(1), uniforms.flatten(1)
    longest = column(eps, flat)
    if norm == "Linf":
        return (longest * (2 * u - 1)).view_as(normals)
    radius = longest * u[:, :1] ** (1 / flat.shape[1])
    if norm == "L2":
        direction = unit_direction(flat)
    else:
        exponentials = -torch.log1p(-u)
        total = exponentials.sum(dim=1, keepdim=True)
        direction = flat.sign() * exponentials / torch.where(total > 0, total, 1)
        radius = longest * torch.erf(flat[:, :1].abs() / 2**0.5) ** (1 / flat.shape[1])
    return (radius * direction).view_as(normals)
