"""Another attack's perturbation at a wanted size."""

from dataclasses import dataclass
from typing import get_args

from torch import Tensor

from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm, radii
from sparsefront.attacks.parts.reach import radius_rules
from sparsefront.attacks.parts.wrapped_attack import WrappedAttack, at_size
from sparsefront.common.budget import Budget
from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import check_rules, one_of


@dataclass(frozen=True)
class Rescaled(WrappedAttack):
    """Another attack's perturbation, multiplied by what gives it a wanted size (the factor tau of paper 004).

    Paper 004 compares attacks at equal dissimilarity ||x' - x|| / ||x||: norm `L2` with `relative`. The factor makes up
    for clipping: what is returned has the wanted size unless its direction leaves the box before. A sample that the
    other attack leaves as it is stays so.

    Args:
        attack: whose perturbations are made larger or smaller.
        size: wanted, in [0, 1] pixel units; `8/255` is read.
        norm: in which it is measured.
        relative: `size` is a multiple of each image's own norm.

    Raises:
        ValueError: a setting out of range.
    """

    size: PixelSize = 0.1
    norm: Norm = "L2"
    relative: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        size = float(self.size)
        check_rules([*one_of(get_args(Norm), norm=self.norm), *radius_rules(self.norm, self.relative, size=size)])

    @property
    def budget(self) -> Budget:
        """The ball of the wanted size."""
        return Budget(self.norm, float(self.size), self.relative)

    @property
    def knowledge(self) -> str | None:  # type: ignore[override]
        """What the adversary knows, as the wrapped attack says it."""
        return self.attack.knowledge

    @property
    def single_step(self) -> bool:  # type: ignore[override]
        """Whether the wrapped attack takes a single step."""
        return self.attack.single_step

    @property
    def begins_from_starts(self) -> bool:  # type: ignore[override]
        """Whether the wrapped attack does."""
        return self.attack.begins_from_starts

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Attack, then scale."""
        return self._scaled(images, self.attack(model, images, labels, indices))

    def perturb_from(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor, starts: Tensor) -> Tensor:
        """Attack from starts, then scale."""
        return self._scaled(images, self.attack(model, images, labels, indices, starts))

    def _scaled(self, images: Tensor, adversarial: Tensor) -> Tensor:
        sizes = radii(float(self.size), images, self.norm, self.relative)
        return at_size(images, adversarial - images, sizes, self.norm)
