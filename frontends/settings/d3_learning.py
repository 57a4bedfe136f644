"""How `D3` takes its atoms from clean images, as settings."""

from dataclasses import dataclass

from sparsefront.common.rules import at_least, check_rules
from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class D3Learning:
    """How `D3` looks for atoms among random patches of clean images; ours.

    Attributes:
        n_iterations: batches of images that atoms are drawn from, at most.
        patches_per_iteration: random patches looked at in each, over all processes.
        seed: of the draws of patches.

    Raises:
        ValueError: a number out of its range.
    """

    n_iterations: int = 100
    patches_per_iteration: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        check_rules(at_least(1, n_iterations=self.n_iterations, patches_per_iteration=self.patches_per_iteration))
