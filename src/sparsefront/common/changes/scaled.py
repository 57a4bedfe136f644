"""Maps times a number at each position."""

from torch import Tensor

from sparsefront.common.changes import kinds
from sparsefront.common.changes.step import Numbers, Step


class Scaled(Step):
    """All channels of a position times the same number.

    Args:
        factors: (H, W).
    """

    kind = kinds.SCALED
    keeps_output = False

    def __init__(self, factors: Tensor) -> None:
        self.factors = factors

    def whole(self, maps: Tensor) -> Tensor:
        """The products."""
        return maps * self.factors[..., None]

    def numbers(self, height: int, width: int) -> Numbers:
        """The factors."""
        return Numbers(weights=self.factors.flatten())
