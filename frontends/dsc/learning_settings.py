"""How deep sparse coding learns its dictionaries, as settings."""

from dataclasses import dataclass

from sparsefront.common.rules import at_least, check_rules, positive
from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class DSCLearningSettings:
    """How long and how fast the dictionaries of `DSC` are learned; all four are ours, the paper prints none.

    Attributes:
        n_iterations: batches that dictionaries learn from.
        learning_rate: share of the way to the least residual that an atom goes in one step.
        tolerance: of rest, of the codes that atoms are learned from; coarser than the deployed one.
        seed: of the patches that atoms start from.

    Raises:
        ValueError: a number out of its range.
    """

    n_iterations: int = 100
    learning_rate: float = 0.3
    tolerance: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        rules = at_least(1, n_iterations=self.n_iterations)
        rules += positive(learning_rate=self.learning_rate, tolerance=self.tolerance)
        check_rules(rules)
