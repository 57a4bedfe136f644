"""Joining overlapping pictures along the border of least difference (Efros and Freeman 2001, section 2.1)."""

import torch
from torch import Tensor
from torch.nn import functional as F


def join_overlapping(pieces: Tensor, overlap: int) -> Tensor:
    """Join the P pieces of each row, from left to right.

    Args:
        pieces: (..., P, C, L, n): P pictures of C channels, L rows and n columns; neighbours share `overlap` columns.
        overlap: o, from 1 to n / 2.

    Returns:
        (..., C, L, n + (P - 1) (n - o)).
    """
    step = pieces.shape[-1] - overlap
    left, right = pieces[..., :-1, :, :, step:], pieces[..., 1:, :, :, :overlap]
    from_right = minimum_cut((left - right).square().sum(dim=-3)).unsqueeze(-3)
    body = pieces[..., :step].clone()
    body[..., 1:, :, :, :overlap] = torch.where(from_right, right, left)
    return torch.cat([body.movedim(-4, -2).flatten(-2), pieces[..., -1, :, :, step:]], dim=-1)


def minimum_cut(errors: Tensor) -> Tensor:
    """Divide each overlap along the path from its first row to its last with the least sum of errors.

    The path goes from a row to the next in the same column or one beside it: E(l, c) = e(l, c) + min E(l - 1, c'),
    |c - c'| <= 1. Of equal ways the leftmost is taken.

    Args:
        errors: e, (..., L, o), not negative.

    Returns:
        Mask (..., L, o): True on the path and right of it.
    """
    rows = errors.unbind(dim=-2)
    total, steps = rows[0], []
    for row in rows[1:]:
        padded = F.pad(total, (1, 1), value=torch.inf)
        ways = torch.stack([padded[..., :-2], total, padded[..., 2:]])
        step = ways.argmin(dim=0)  # the first of equal ones, on every device
        total = row + ways.gather(0, step[None])[0]
        steps.append(step - 1)
    path = [total.argmin(dim=-1, keepdim=True)]
    for step in reversed(steps):
        path.append(path[-1] + step.gather(-1, path[-1]))
    columns = torch.arange(errors.shape[-1], device=errors.device)
    return columns >= torch.stack(path[::-1], dim=-2)
