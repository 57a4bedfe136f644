"""How `TopT` learns its dictionary, as settings."""

from dataclasses import dataclass

from sparsefront.common.rules import at_least, check_rules, positive
from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class TopTLearning:
    """How `TopT` learns its dictionary without labels (paper 001, equation 2).

    Attributes:
        lmbda: weight of ||a||_1; the paper's.
        n_iterations: batches of images that patches are drawn from.
        patches_per_iteration: random patches of one of them, over all processes.
        seed: of the draws of patches.

    Raises:
        ValueError: a number out of its range.
    """

    lmbda: float = 1.0
    n_iterations: int = 1000
    patches_per_iteration: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        check_rules(
            [
                *positive(lmbda=self.lmbda),
                *at_least(1, n_iterations=self.n_iterations, patches_per_iteration=self.patches_per_iteration),
            ]
        )
