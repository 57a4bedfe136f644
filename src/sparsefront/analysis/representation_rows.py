"""Rows of an analysis of representations: one a sample, a column for each thing that is kept of it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sparsefront.analysis.hidden import Hidden
from sparsefront.common.logits import predicted_classes

Rows = dict[str, Tensor]


def row_of(name: str, hidden: Hidden) -> Rows:
    """What is kept of a batch under one variant: predictions (B,) and representations (B, N), by column."""
    return {f"pred/{name}": predicted_classes(hidden.logits), f"hidden/{name}": hidden.representation}


def by_turns(labels: Tensor, positive: int, count: int) -> Tensor:
    """Positions of the first samples (B,), of the positive class and of others by turns, `count` at most."""
    of_class = labels == positive
    turn = torch.where(of_class, of_class.cumsum(0), (~of_class).cumsum(0))
    return (2 * turn + (~of_class).long()).argsort()[:count]


def joined(parts: Sequence[Rows]) -> Rows:
    """The rows of all parts, in the order of their index."""
    order = torch.cat([part["index"] for part in parts]).argsort(stable=True)
    return {name: torch.cat([part[name] for part in parts])[order] for name in parts[0]}
