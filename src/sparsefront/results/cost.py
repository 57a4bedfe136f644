"""What an attack costs."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Cost:
    """Sums over an attack.

    Attributes:
        seconds: of wall time, the verdict included.
        attacked: samples that it was run on.
        forwards: images that a model was asked for, one each time; the queries of a black-box attack.
        backwards: images whose gradient was computed.
    """

    seconds: float = 0.0
    attacked: int = 0
    forwards: int = 0
    backwards: int = 0

    def plus(self, other: "Cost") -> "Cost":
        """The cost of this work and the other together, one done after the other."""
        return Cost(*(mine + others for mine, others in zip(vars(self).values(), vars(other).values(), strict=True)))

    def less(self, other: "Cost") -> "Cost":
        """The cost of what was done since `other` was counted."""
        return Cost(*(mine - others for mine, others in zip(vars(self).values(), vars(other).values(), strict=True)))

    @classmethod
    def over_processes(cls, costs: Sequence["Cost"]) -> "Cost":
        """The cost over processes side by side: counts add up, the time is that of the process that took longest."""
        counts = (sum(getattr(cost, name) for cost in costs) for name in ("attacked", "forwards", "backwards"))
        return cls(max(cost.seconds for cost in costs), *counts)
