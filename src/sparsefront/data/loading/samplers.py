"""The order of samples, and how processes share them."""

from typing import Any

from pytorch_lightning.overrides.distributed import UnrepeatedDistributedSampler
from torch.utils.data import DistributedSampler, Sampler

from sparsefront.common.processes import Processes
from sparsefront.data.splits.split import Split


def process() -> tuple[int, int]:
    """Rank of this process and how many there are: (0, 1) where torch.distributed is not in use."""
    processes = Processes()
    return processes.rank, processes.world


class TrainingSampler(DistributedSampler[Any]):
    """Shuffle by (seed, epoch) alone, so that a resumed run sees the order of an uninterrupted one.

    Args:
        split: what to draw from.
        seed: fixes the order of every epoch.
        rank: number of this process.
        world_size: number of processes; the last samples are repeated until it divides.
    """

    def __init__(self, split: Split, seed: int, rank: int, world_size: int) -> None:
        self.split = split
        super().__init__(split, num_replicas=world_size, rank=rank, shuffle=True, seed=seed)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's order and its random crops.

        Args:
            epoch: number of the epoch, from 0.
        """
        super().set_epoch(epoch)
        self.split.set_epoch(epoch)


def evaluation_sampler(split: Split, rank: int, world_size: int) -> Sampler[int] | None:
    """Share the samples out in order, each exactly once: nothing is repeated, so counts over all processes are exact.

    Args:
        split: what to go through.
        rank: number of this process.
        world_size: number of processes.

    Returns:
        A sampler, or None on one process, where a loader's own order does.

    Raises:
        ValueError: fewer samples than processes.
    """
    if world_size == 1:
        return None
    if len(split) < world_size:
        raise ValueError(
            f"`devices` must be at most the {len(split)} images of this split, found {world_size} processes;"
            " use fewer devices or a larger val_size or test_size."
        )
    return UnrepeatedDistributedSampler(split, num_replicas=world_size, rank=rank, shuffle=False)
