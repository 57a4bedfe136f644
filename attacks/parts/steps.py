"""The steps along which a loss rises fastest, in the Linf, L2 and L1 norms, sample by sample."""

import torch
from torch import Tensor

from sparsefront.attacks.parts.norms import Norm, column, unit_direction


def steepest(
    gradient: Tensor, images: Tensor, step: float | Tensor, norm: Norm, sparsity: float | Tensor = 1.0
) -> Tensor:
    """Step of size `step` (a number or (B,)) along which the loss rises fastest: (B, ...) -> (B, ...).

    Linf: step * sign(g). L2: step * g / ||g||. L1: the same amount for the fraction `sparsity` (a number or (B,)) of
    the pixels that have the largest |g| and room to move in the box (Tramèr and Boneh 2019, SLIDE); all that are as
    large as the last of them. A zero gradient gives a zero step.
    """
    flat = gradient.flatten(1)
    length = column(step, flat)
    if norm == "Linf":
        return (length * flat.sign()).view_as(gradient)
    if norm == "L2":
        return (length * unit_direction(flat)).view_as(gradient)
    pixels = images.flatten(1)
    stuck = ((pixels <= 0) & (flat < 0)) | ((pixels >= 1) & (flat > 0))
    free = flat.masked_fill(stuck, 0)
    fractions = torch.as_tensor(sparsity, dtype=torch.float64, device=flat.device).expand(len(flat))
    counts = (fractions * flat.shape[1]).round().long().clamp(1, flat.shape[1])
    largest = free.abs().topk(int(counts.max()), dim=1).values
    signs = free.sign() * (free.abs() >= largest.gather(1, counts[:, None] - 1))
    return (length * signs / signs.abs().sum(dim=1, keepdim=True).clamp_min(1)).view_as(gradient)


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
    spend = torch.minimum(ordered, (column(eps, flat) - spent_before).clamp_min(0))
    moves = torch.zeros_like(flat).scatter_(1, order, spend) * flat.sign()
    return (pixels + moves).clamp(0, 1).view_as(images)
