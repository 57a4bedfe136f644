"""A part of a chain of maps that can follow a change."""

from abc import ABC, abstractmethod

from torch import Tensor

from sparsefront.common.changes.change import Change
from sparsefront.common.changes.kept_maps import Settle


class Stage(ABC):
    """Maps (B, H, W, C) -> maps, and from a change of its input to the change of its output.

    It keeps what it needs of the maps that it was last computed on.
    """

    @abstractmethod
    def whole(self, maps: Tensor, samples: Tensor | None) -> Tensor:
        """Compute it on whole maps (S, H, W, C) of some samples (S,), all and anew if absent, and keep them."""

    @abstractmethod
    def follow(self, change: Change) -> tuple[Change, Settle]:
        """Change the input: what that changes of the output, and what must be told of which samples it is made for.

        Until that is told no other change of the same samples may be followed.
        """


def nothing_kept(accepted: Tensor) -> None:
    """What a stage that keeps nothing must be told."""
