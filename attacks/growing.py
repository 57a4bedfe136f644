"""An attack at one size after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

from torch import Tensor

from sparsefront.attacks.base import Attack
from sparsefront.attacks.parts.in_turn import attack_in_turn
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.reach import radius_rules
from sparsefront.attacks.parts.wrapped_attack import WrappedAttack
from sparsefront.common.budget import Budget
from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import check_rules


@dataclass(frozen=True)
class Growing(WrappedAttack):
    """Another attack in balls of growing size, each on the samples still standing: accuracy against eps in one pass.

    A sample that falls, by the mean over its attack's `eot_iter` passes, is returned as it fell in the smallest ball
    that served; one that stands in all of them as the largest left it. So the row of the table is that of the largest
    ball, and the report's curve over the size of the perturbation that of all of them.

    Args:
        attack: a bounded one; its own eps does not matter.
        sizes: the balls' radii in [0, 1] pixel units, growing; `8/255` is read.

    Raises:
        ValueError: an attack without eps, or sizes that do not grow.
    """

    early_stop = True  # always: larger balls are for the samples still standing
    early_stop_mend: ClassVar[str] = "name the attack inside it once for every size, each with `early_stop: false`"

    sizes: Sequence[PixelSize] = ("2/255", "4/255", "8/255", "16/255")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not hasattr(self.attack, "eps"):
            raise ValueError(f"`attack` of Growing must have an eps, found {type(self.attack).__name__}.")
        radii = [float(size) for size in self.sizes]
        for radius in radii:
            norm, relative = getattr(self.attack, "norm", "L2"), getattr(self.attack, "relative", False)
            check_rules(radius_rules(norm, relative, sizes=radius))
        if not radii or any(after <= before for before, after in pairwise(radii)):
            raise ValueError(f"`sizes` must be at least one size, each larger than the one before, found {radii}.")

    @property
    def budget(self) -> Budget | None:
        """The ball of the largest size."""
        return self._inside(self.sizes[-1]).budget

    def _inside(self, size: float | str) -> Attack:
        attack: Any = self.attack  # it has an eps
        grown: Attack = replace(attack, eps=size)
        return grown

    @property
    def knowledge(self) -> str | None:  # type: ignore[override]
        """What the adversary knows, as the wrapped attack says it."""
        return self.attack.knowledge

    @property
    def begins_from_starts(self) -> bool:  # type: ignore[override]
        """Whether the wrapped attack does."""
        return self.attack.begins_from_starts

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Attack in one ball after the other, each on the samples still standing."""
        return attack_in_turn(self._attacks, model, images, labels, indices, targeted=self.targeted)

    def perturb_from(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor, starts: Tensor) -> Tensor:
        """Likewise, from starts that each attack brings into its ball."""
        return attack_in_turn(self._attacks, model, images, labels, indices, targeted=self.targeted, starts=starts)

    @property
    def _attacks(self) -> list[Attack]:
        return [self._inside(size) for size in self.sizes]
