"""How STL splits an image and codes the rest, as settings."""

from dataclasses import dataclass

from sparsefront.common.rules import at_least, check_rules, not_negative, positive
from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class STLCodeSettings:
    """How `STL` splits an image into a smooth part and the rest, codes the rest and puts both together again.

    Attributes:
        low_pass: smoothness of low(x), the weight of its squared differences; 0 leaves nothing to code. The authors'.
        padding: pixels of mirrored border for low(x); the authors'.
        tolerance: relative, of the codes' stopping rule; see `sparsecode.cbpdn`. The authors'.
        max_iterations: most iterations of that; the authors'.
        rescale: divide the result by its largest value, as the authors' script does when it writes pictures.

    Raises:
        ValueError: a number out of its range.
    """

    low_pass: float = 5.0
    padding: int = 16
    tolerance: float = 5e-3
    max_iterations: int = 200
    rescale: bool = False

    def __post_init__(self) -> None:
        rules = [
            *not_negative(low_pass=self.low_pass),
            *at_least(0, padding=self.padding),
            *positive(tolerance=self.tolerance),
            *at_least(1, max_iterations=self.max_iterations),
        ]
        check_rules(rules)
