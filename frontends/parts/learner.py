"""What a front end learns with, and needs no longer than that."""

from abc import ABC, abstractmethod
from typing import Any


class Learner(ABC):
    """Learns without labels, one batch a step, beside what a front end's buffers keep.

    A front end makes its learner at the first batch and drops it when its learning ends, so that no checkpoint and no
    deployed front end carries it.
    """

    @abstractmethod
    def step(self, batch: Any) -> dict[str, float]:
        """Learn from a batch; return what to log.

        Args:
            batch: what the front end that made this learner learns from: patches, images or several modalities of them.
        """

    def finish(self) -> None:  # noqa: B027 - most have nothing left to do
        """Do what is left when no step follows, also where learning was cut short."""
