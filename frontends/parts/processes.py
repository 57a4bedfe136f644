"""Batches that several processes share."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sparsefront.frontends.base import FrontEnd


class Processes:
    """The processes of the `Trainer` that fits a front end; a batch's images are dealt out to them in turn.

    Args:
        owner: that front end.

    Attributes:
        world: how many there are.
        rank: which one this is.
        reduce: sums a tensor over them.
    """

    def __init__(self, owner: FrontEnd) -> None:
        self.reduce = owner.sum_over_processes
        self.rank = owner.global_rank
        self.world = 1 if owner._trainer is None else int(owner.trainer.world_size)

    def dealt(self, draw: Callable[..., Tensor], number: int, shape: Sequence[int], seed: tuple[int, ...]) -> Tensor:
        """Random numbers (`number`, *shape) of this process's images, of those of the whole batch."""
        generator = torch.Generator().manual_seed(hash(seed))
        return draw(number * self.world, *shape, generator=generator)[self.rank :: self.world]

    def of_all(self, rows: Tensor) -> Tensor:
        """The rows (N, ...) of all processes, in the order in which one process would have them."""
        if self.world == 1:
            return rows
        counts = torch.zeros(self.world, device=rows.device)
        counts[self.rank] = len(rows)
        counts = self.reduce(counts)
        every = rows.new_zeros(int(counts.max()), self.world, *rows.shape[1:])
        every[: len(rows), self.rank] = rows
        return self.reduce(every)[torch.arange(len(every), device=rows.device)[:, None] < counts]
