"""Who is looked for, and whose pictures go where, as settings."""

from dataclasses import dataclass

from sparsefront.common.rules import check_rules, not_below
from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class PeopleSettings:
    """Who is looked for, whose pictures go into which part, and how often they are trained on.

    Attributes:
        positive: the folder of the person looked for.
        holdout: test pictures of each class.
        disjoint_people: whether other people are kept whole; else pictures are drawn one by one.
        positive_share: share of an epoch's training images that show the person looked for, in (0, 1), reached up to
            rounding by repeating them, where they are few among the others; None takes each once. A front end learns
            from each once in any case.

    Raises:
        ValueError: holdout < 1, a positive_share outside (0, 1).
    """

    positive: str = "Halle_Berry"
    holdout: int = 75
    disjoint_people: bool = True
    positive_share: float | None = None

    def __post_init__(self) -> None:
        check_rules(not_below(1, "write e.g. holdout: 75", holdout=self.holdout))
        if self.positive_share is not None and not 0 < self.positive_share < 1:
            raise ValueError(
                f"`positive_share` must lie between 0 and 1, found {self.positive_share}; write e.g. 0.25, or null to "
                "take each picture once."
            )
