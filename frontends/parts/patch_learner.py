"""How front ends learn dictionaries of patches."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from sparsefront.common.processes import Processes
from sparsefront.frontends.parts.learner import Learner


class DictionaryLearner(Protocol):
    """Learns a dictionary from patches, a batch of them a step, such as `sparsecode.OnlineDictionary`."""

    @property
    def dictionary(self) -> Tensor:
        """The dictionary (m, K) as learned so far, with columns of unit norm."""

    def step(self, patches: Tensor, /, reduce: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Learn from (N, m) `patches`; `reduce` sums a tensor over processes. Returns what to log."""


class PatchLearner(Learner):
    """Lets all processes learn one dictionary, each from patches of its own.

    Args:
        learner: the same on every process (see `first_atoms`).
        processes: that learn together.
    """

    def __init__(self, learner: DictionaryLearner, processes: Processes) -> None:
        self._learner, self._processes = learner, processes

    @property
    def dictionary(self) -> Tensor:
        """(m, K), unit-norm columns, the same on every process."""
        return self._learner.dictionary

    def step(self, batch: Tensor) -> dict[str, float]:
        """Learn from patches (N, m) of this process; return what to log."""
        # On the CPU, where the coders are compiled: on an H200 an iteration took 0.36 s, nearly all of it launches.
        return self._learner.step(batch.cpu(), reduce=self._processes.sum)
