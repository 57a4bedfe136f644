"""Connected components of batches of masks."""

import torch
from torch import Tensor
from torch.nn import functional as F


def label_components(mask: Tensor, *, diagonal: bool) -> tuple[Tensor, Tensor]:
    """Name the connected components of (B, 1, H, W) bool masks, all images at once.

    Pixels of a row that touch make a run; runs that touch from row to row are joined, the lower number winning, until
    nothing changes. There are far fewer runs than pixels, and numbers travel in leaps: a run takes over the number of
    the run whose number it has.

    Args:
        mask: (B, 1, H, W), bool.
        diagonal: whether pixels touch at their corners too.

    Returns:
        Labels (B, 1, H, W), int64, from 0 upwards and -1 off the mask, no two images sharing one; and the labels'
        areas in pixels (N,), 0 for numbers that went unused.
    """
    starts = mask & ~F.pad(mask, (1, 0))[..., :-1]
    runs = starts.flatten().cumsum(0).view_as(mask) - 1
    number = int(runs.flatten()[-1]) + 1 if runs.numel() else 0
    low, high = _touching(mask, runs, diagonal)
    parent = torch.arange(number, device=mask.device)
    while True:
        smaller = torch.minimum(parent[low], parent[high])
        joined = parent.clone()
        for end in (low, high):
            joined = joined.scatter_reduce(0, parent[end], smaller, "amin")
        joined = joined[joined]
        if torch.equal(joined, parent):
            break
        parent = joined
    if not number:
        return runs, parent
    labels = torch.where(mask, parent[runs.clamp_min(0)], -1)
    areas = torch.zeros_like(parent).scatter_add(0, labels.clamp_min(0).flatten(), mask.flatten().long())
    return labels, areas


def _touching(mask: Tensor, runs: Tensor, diagonal: bool) -> tuple[Tensor, Tensor]:
    """Numbers of runs that touch from one row to the next, each pair where its overlap begins."""
    upper, lower = [], []
    width = mask.shape[3]
    for shift in (-1, 0, 1) if diagonal else (0,):
        above = slice(max(-shift, 0), width - max(shift, 0))
        below = slice(max(shift, 0), width + min(shift, 0))
        touch = mask[:, :, :-1, above] & mask[:, :, 1:, below]
        touch[..., 1:] &= ~touch[..., :-1].clone()
        upper.append(runs[:, :, :-1, above][touch])
        lower.append(runs[:, :, 1:, below][touch])
    return torch.cat(upper), torch.cat(lower)


def largest_component(mask: Tensor) -> Tensor:
    """The largest component of each (B, 1, H, W) bool mask, corners touching; the upper one of two alike."""
    labels, areas = label_components(mask, diagonal=True)
    if not len(areas):
        return mask
    # Area and label in one number, so that one maximum decides.
    rank = areas * len(areas) + torch.arange(len(areas) - 1, -1, -1, device=mask.device)
    ranks = torch.where(mask, rank[labels.clamp_min(0)], -1)
    return mask & (ranks == ranks.amax(dim=(2, 3), keepdim=True))


def fill_holes(mask: Tensor) -> Tensor:
    """What the outer outlines of (B, 1, H, W) bool masks enclose: the masks and their holes."""
    outside = F.pad(~mask, (1, 1, 1, 1), value=True)
    labels, _ = label_components(outside, diagonal=False)
    return (labels != labels[:, :, :1, :1])[:, :, 1:-1, 1:-1]


def bounding_box(mask: Tensor) -> Tensor:
    """The smallest upright box around each (B, 1, H, W) bool mask."""
    rows, columns = mask.any(dim=3, keepdim=True), mask.any(dim=2, keepdim=True)
    return _between(rows, 2) & _between(columns, 3)


def _between(mask: Tensor, dim: int) -> Tensor:
    """True from the first to the last True along a dimension."""
    counts = mask.int().cumsum(dim)
    return (counts > 0) & ((counts < counts.amax(dim=dim, keepdim=True)) | mask)
