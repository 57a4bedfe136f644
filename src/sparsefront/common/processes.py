"""What the processes of one run tell each other."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, distributed

from sparsefront.common.random import generator_of

Value = TypeVar("Value")


class Processes:
    """The processes that work together: what they sum, gather and take over from the first of them.

    Every method must be called by all of them, in the same order. On a single process nothing is sent.

    Args:
        strategy: of the Lightning `Trainer` that runs them; None: those of `torch.distributed`, a single one where it
            is not in use.

    Attributes:
        world: how many there are.
        rank: which one this is, from 0.
    """

    def __init__(self, strategy: Any = None) -> None:
        self._strategy = strategy
        if strategy is not None:  # one for a single device names neither
            self.world, self.rank = int(getattr(strategy, "world_size", 1)), int(getattr(strategy, "global_rank", 0))
        elif distributed.is_available() and distributed.is_initialized():
            self.world, self.rank = distributed.get_world_size(), distributed.get_rank()
        else:
            self.world, self.rank = 1, 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of the processes' tensors, all of one shape, on the device of this process's own."""
        return self._reduced(tensor, "sum")

    def largest(self, tensor: Tensor) -> Tensor:
        """The largest of the processes' numbers, one by one, on the device of this process's own."""
        return self._reduced(tensor, "max")

    def from_first(self, tensor: Tensor) -> Tensor:
        """The first process's tensor, of any size, on the device of this process's own."""
        if self.world == 1:
            return tensor
        # On the CPU, because what is sent comes back on the very device it was sent from.
        return self._sent(tensor.cpu(), 0).to(tensor.device)

    def on_first(self, work: Callable[[], Value]) -> Value:
        """What work comes to that the first process does alone, and tells all: any object that can be pickled.

        Raises:
            ValueError: the work raised it; on every process.
        """
        if self.world == 1:
            return work()
        outcome: Any = None
        refusal: ValueError | None = None
        if self.rank == 0:
            try:
                outcome = work()
            except ValueError as error:  # the others wait for an answer
                refusal = error
        outcome, refusal = self._sent((outcome, refusal), 0)
        if refusal is not None:
            raise refusal
        told: Value = outcome
        return told

    def gathered(self, value: Value) -> list[Value]:
        """The same value from every process, in order of rank: any object that can be pickled."""
        if self.world == 1:
            return [value]
        if self._strategy is not None:
            return [self._sent(value, rank) for rank in range(self.world)]
        values: list[Any] = [None] * self.world
        distributed.all_gather_object(values, value)
        return values

    def rows(self, rows: Tensor) -> Tensor:
        """The rows (N, ...) of all processes, those of one after those of another, on this process's device.

        Processes may have different numbers of rows.
        """
        return torch.cat(self._gathered_rows(rows))

    def rows_in_turn(self, rows: Tensor) -> Tensor:
        """The rows (N, ...) of all processes of a batch dealt out to them in turn, in the batch's own order."""
        parts = self._gathered_rows(rows)
        places = torch.cat([torch.arange(len(part)) for part in parts])
        return torch.cat(parts)[places.argsort(stable=True).to(rows.device)]

    def dealt(self, draw: Callable[..., Tensor], count: int, shape: Sequence[int], seed: tuple[int, ...]) -> Tensor:
        """Random numbers (`count`, *shape) of this process's images, of those of the whole batch dealt out in turn.

        Args:
            draw: such as `torch.rand`.
            count: images of this process.
            shape: of an image's numbers.
            seed: whole numbers that the draws follow from, the same on every process.
        """
        return draw(count * self.world, *shape, generator=generator_of(*seed))[self.rank :: self.world]

    def share(self, count: int) -> int:
        """What each process does of `count` pieces of work, rounded up."""
        return -(-count // self.world)

    def _reduced(self, tensor: Tensor, operation: Literal["sum", "max"]) -> Tensor:
        if self.world == 1:
            return tensor
        total = tensor.to(self._device(tensor), copy=True)  # reduced in place
        if self._strategy is not None:
            total = self._strategy.reduce(total, reduce_op=operation)
        else:
            distributed.all_reduce(total, getattr(distributed.ReduceOp, operation.upper()))
        return total.to(tensor.device)

    def _gathered_rows(self, rows: Tensor) -> list[Tensor]:
        return [rows] if self.world == 1 else [part.to(rows.device) for part in self.gathered(rows.cpu())]

    def _sent(self, value: Value, rank: int) -> Value:
        """The value of the process of that rank."""
        if self._strategy is not None:
            sent: Value = self._strategy.broadcast(value, rank)
            return sent
        box = [value]
        distributed.broadcast_object_list(box, rank)
        return box[0]

    def _device(self, tensor: Tensor) -> torch.device:
        """Where sums are taken: NCCL sums on GPUs alone."""
        if self._strategy is not None:
            return torch.device(self._strategy.root_device)
        return torch.device("cuda") if distributed.get_backend() == "nccl" else tensor.device
