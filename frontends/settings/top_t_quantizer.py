"""What `TopT` makes of the projections that survive, as settings."""

from dataclasses import dataclass

from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import check_rules, positive
from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class TopTQuantizer:
    """The activation of `TopT`: a projection x on an atom d becomes sign(x) ||d||_1 where |x| >= beta eps ||d||_1.

    Paper 001, equation 3; other projections become 0.

    Attributes:
        eps: Linf size of the perturbation that the threshold is meant for, in [0, 1] pixel units; `8/255` is read.
        beta: the threshold in multiples of eps ||d||_1.

    Raises:
        ValueError: a negative eps, a beta that is not positive.
    """

    eps: PixelSize = "8/255"
    beta: float = 3.0

    def __post_init__(self) -> None:
        check_rules(positive(beta=self.beta))

    @property
    def threshold(self) -> float:
        """The least |x| / ||d||_1 that is not 0 afterwards."""
        return self.beta * float(self.eps)
