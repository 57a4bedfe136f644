"""Cut one labelled set into parts that never overlap."""

from collections.abc import Sequence

import torch
from torch import Tensor


def stratified_cut(labels: Tensor, sizes: Sequence[int], seed: int) -> list[Tensor]:
    """Cut a set into parts that hold the classes in the set's own proportions.

    A part of n of the N images that are left gets n * N_k / N images of class k, rounded by largest remainder (ties
    drawn by the seed). Parts are cut in the order of `sizes`, so none depends on the size of a later one.

    Args:
        labels: (N,) int64 classes >= 0.
        sizes: images of each part, together at most N.
        seed: fixes every draw, whatever the process or the global random state.

    Returns:
        One int64 tensor of positions in `labels` a part, in a random order, and last the positions left, ascending.

    Raises:
        ValueError: the sizes ask for more than N images.
    """
    if sum(sizes) > len(labels):
        raise ValueError(f"`sizes` must add up to at most {len(labels)}, found {list(sizes)}; ask for smaller parts.")
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(labels), generator=generator)
    counts = torch.bincount(labels)
    by_class = list(shuffled[torch.argsort(labels[shuffled], stable=True)].split(counts.tolist()))
    parts = []
    for size in sizes:
        quotas = _quotas(counts, size, generator)
        counts = counts - quotas
        part = torch.cat([group[:quota] for group, quota in zip(by_class, quotas.tolist(), strict=True)])
        by_class = [group[quota:] for group, quota in zip(by_class, quotas.tolist(), strict=True)]
        parts.append(part[torch.randperm(len(part), generator=generator)])
    return [*parts, torch.cat(by_class).sort().values]


def _quotas(counts: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Images that a part of `size` takes from each class of (K,) `counts`, by largest remainder."""
    total = max(int(counts.sum()), 1)
    quotas, remainders = size * counts // total, size * counts % total
    ties = torch.randperm(len(counts), generator=generator)
    largest_first = ties[torch.argsort(remainders[ties], descending=True, stable=True)]
    quotas[largest_first[: size - int(quotas.sum())]] += 1
    return quotas
