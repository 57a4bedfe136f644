"""How adversaries search in an evaluation, as settings."""

from dataclasses import dataclass

from sparsefront.common.settings import checked_settings
from sparsefront.evaluation.search_form import SearchPrecision, check_precision


@checked_settings
@dataclass(frozen=True)
class SearchSettings:
    """How the adversaries of `RobustEvaluation` search.

    Attributes:
        cascade: hand each attack only the samples that those before it left standing, as AutoAttack does: the worst
            case comes sooner, but a row no longer stands for itself.
        precision: `bf16` lets adversaries search under bfloat16 autocast; verdicts are in full precision.

    Raises:
        ValueError: a precision that does not exist.
    """

    cascade: bool = False
    precision: SearchPrecision = "32"

    def __post_init__(self) -> None:
        check_precision(self.precision)
