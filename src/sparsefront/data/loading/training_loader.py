"""A loader of training batches that goes on in the middle of an epoch."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from torch.utils.data import BatchSampler, DataLoader

from sparsefront.data.loading.joined_batches import JoinedBatches


class TrainingLoader(DataLoader[Any]):
    """A loader that counts the batches served of an epoch, and can begin an epoch after some of its batches.

    What it skips is not loaded. Its state is what Lightning keeps in a checkpoint and gives back before the epoch of an
    interrupted training goes on. No batch holds a single image, see `JoinedBatches`.
    """

    _begin = 0
    _served = 0

    @property
    def joins(self) -> bool:
        """Whether the last batch holds one image more than the others, which would have been a batch of its own."""
        return isinstance(self.batch_sampler, BatchSampler) and JoinedBatches.needed(self.batch_sampler)

    @property
    def _index_sampler(self) -> Any:
        batches = super()._index_sampler
        if self.joins:
            batches = JoinedBatches(batches)
        return _From(batches, self._begin) if self._begin else batches

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        iterator = super().__iter__()
        self._served, self._begin = self._begin, 0
        return self._counted(iterator)

    def _counted(self, iterator: Iterator[Any]) -> Iterator[Any]:
        for batch in iterator:
            self._served += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """How many batches of the epoch have been served."""
        return {"served": self._served}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Leave so many out of the next epoch."""
        self._begin = state["served"]


class _From:
    """The batches from a number on, of a length as if none were left out."""

    def __init__(self, batches: Any, begin: int) -> None:
        self._batches, self._begin = batches, begin

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        return islice(iter(self._batches), self._begin, None)
