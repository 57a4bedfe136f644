"""A part of a chain of maps that can follow a changed window."""

from abc import ABC, abstractmethod

from torch import Tensor

from sparsefront.common.windows.change import Change


class Stage(ABC):
    """Maps (B, H, W, C) -> maps, and from a change of its input to the change of its output.

    It keeps what it needs of the maps that it was last computed on: `follow` says what would change, `settle` for which
    samples it did.
    """

    @abstractmethod
    def whole(self, maps: Tensor, rows: Tensor | None) -> Tensor:
        """Compute it on whole maps (S, H, W, C) of the samples `rows` (S,), all and anew if absent, and keep them."""

    @abstractmethod
    def follow(self, change: Change) -> Change:
        """What a change of the input changes of the output."""

    @abstractmethod
    def settle(self, accepted: Tensor) -> None:
        """The change followed last was made for some of its samples, bool (S,), and for the others it was not."""
