"""The nearest point of a hyperplane in the box [0, 1], sample by sample."""

import torch
from torch import Tensor

from sparsefront.attacks.parts.norms import Norm


def to_hyperplane(images: Tensor, normals: Tensor, offsets: Tensor, norm: Norm) -> Tensor:
    """Smallest moves d with <w, d> = b that keep images + d in [0, 1]; as far as the box lets where none reaches.

    d_i has the sign of b w_i and at most the room r_i that the box leaves there. Linf: |d_i| = min(t, r_i). L2:
    |d_i| = min(t |w_i|, r_i). L1: r_i for the largest |w_i|, one after the other, until b is reached. (The projections
    of Croce and Hein 2020, exact.)

    Args:
        images: (B, C, H, W).
        normals: w, (B, C, H, W).
        offsets: b, (B,).
        norm: in which the move is small.
    """
    flat, pixels = normals.flatten(1), images.flatten(1)
    largest = flat.abs().amax(dim=1, keepdim=True)
    scale = torch.where(largest > 0, largest, 1)
    flat, wanted = flat / scale, (offsets[:, None] / scale).abs()
    signs = flat.sign() * torch.where(offsets < 0, -1, 1)[:, None].to(flat)
    rates, room = flat.abs(), torch.where(signs > 0, 1 - pixels, pixels).masked_fill(flat == 0, 0)
    if norm == "L1":
        moves = _one_by_one(rates, room, wanted)
    else:
        moves = _all_at_once(rates, room, wanted, torch.ones_like(rates) if norm == "Linf" else rates)
    return (signs * moves).view_as(images)


def _one_by_one(rates: Tensor, room: Tensor, wanted: Tensor) -> Tensor:
    """Moves (B, D) that spend the room of the largest rates first."""
    order = rates.argsort(dim=1, descending=True, stable=True)
    ordered, space = rates.gather(1, order), room.gather(1, order)
    gains = ordered * space
    before = gains.cumsum(dim=1) - gains
    spent = torch.minimum((wanted - before).clamp_min(0) / torch.where(ordered > 0, ordered, 1), space)
    return torch.zeros_like(room).scatter_(1, order, spent)


def _all_at_once(rates: Tensor, room: Tensor, wanted: Tensor, speeds: Tensor) -> Tensor:
    """Moves min(t s_i, r_i) (B, D), of one t a row: sum_i rate_i min(t s_i, r_i) grows to `wanted`.

    The sum is piecewise linear in t, with corners where a pixel runs out of room.
    """
    times, order = torch.where(speeds > 0, room / torch.where(speeds > 0, speeds, 1), 0).sort(dim=1)
    gains = (rates * speeds).gather(1, order)
    slopes = gains.flip(1).cumsum(dim=1).flip(1)  # up to each corner: of the pixels that still move
    reached = (slopes * times.diff(dim=1, prepend=torch.zeros_like(wanted))).cumsum(dim=1)
    corner = (reached < wanted).sum(dim=1, keepdim=True).clamp_max(times.shape[1] - 1)
    slope = slopes.gather(1, corner)
    missing = (reached.gather(1, corner) - wanted) / torch.where(slope > 0, slope, 1)
    time = times.gather(1, corner) - missing.clamp_min(0)
    return torch.minimum(time.clamp_min(0) * speeds, room)
