"""Functions of each value by itself."""

from collections.abc import Callable

from torch import Tensor

from sparsefront.common.changes.change import Change
from sparsefront.common.changes.kept_maps import Settle
from sparsefront.common.changes.stage import Stage, nothing_kept


class Pointwise(Stage):
    """A function of each value by itself, such as a rectifier."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def whole(self, maps: Tensor, samples: Tensor | None) -> Tensor:
        """The function of all values."""
        return self.function(maps)

    def follow(self, change: Change) -> tuple[Change, Settle]:
        """The function of new and old values, where these are not the same."""
        made = change._replace(new=self.function(change.new), old=self.function(change.old))
        return made.where_it_is_one(), nothing_kept
