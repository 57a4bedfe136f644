"""Functions of each value by itself."""

from collections.abc import Callable

from torch import Tensor

from sparsefront.common.windows.change import Change
from sparsefront.common.windows.stage import Stage


class Pointwise(Stage):
    """A function of each position by itself, such as a rectifier."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def whole(self, maps: Tensor, rows: Tensor | None) -> Tensor:
        """The function of all values."""
        return self.function(maps)

    def follow(self, change: Change) -> Change:
        """The function of the new and of the old values."""
        return change._replace(new=self.function(change.new), old=self.function(change.old))

    def settle(self, accepted: Tensor) -> None:
        """It keeps nothing."""
