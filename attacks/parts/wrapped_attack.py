"""What attacks that run another one have in common."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from sparsefront.attacks.base import Attack
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm, perturbation_norm

DOUBLINGS, HALVINGS = 40, 32  # of the factor that makes up for clipping


@dataclass(frozen=True)
class WrappedAttack(Attack):
    """An attack that runs another attack and makes its own images of that one's.

    What it aims at, whether it stops early and what it must be fitted on are the other attack's.

    Args:
        attack: the attack to run.
    """

    early_stop_mend: ClassVar[str] = "write `early_stop: false` among the settings of the attack that it runs"

    attack: Attack
    targeted: bool = field(init=False, default=False)
    n_fitting_images: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "targeted", self.attack.targeted)
        object.__setattr__(self, "n_fitting_images", self.attack.n_fitting_images)

    @property
    def early_stop(self) -> bool:  # type: ignore[override]
        """Whether the wrapped attack stops early."""
        return self.attack.early_stop

    @property
    def least_classes(self) -> int:
        """Classes that the wrapped attack needs at least."""
        return self.attack.least_classes

    def check_classes(self, count: int) -> None:
        """As the other attack does."""
        self.attack.check_classes(count)

    @property
    def by_gradient(self) -> bool:  # type: ignore[override]
        """Whether the other one is."""
        return self.attack.by_gradient

    def confine_starts(self, starts: Tensor, images: Tensor) -> Tensor:
        """The starts as they are: the wrapped attack brings them into its own ball."""
        return starts

    def without_early_stop(self) -> Self:
        """This attack with the other one's early stop off."""
        return replace(self, attack=self.attack.without_early_stop())

    def fitted(self, model: Model, images: Tensor, labels: Tensor) -> Self:
        """This attack with the other one fitted."""
        return replace(self, attack=self.attack.fitted(model, images, labels))


def at_size(images: Tensor, delta: Tensor, sizes: Tensor, norm: Norm) -> Tensor:
    """Images in [0, 1] along `delta`, at a distance of `sizes` (B,) after clipping: (B, C, H, W) -> (B, C, H, W).

    Where the box ends before, they are as far as it allows; where delta is 0, the images themselves.
    """
    precision = torch.promote_types(images.dtype, torch.float32)
    start = images.to(precision)
    direction = delta.to(precision)
    wanted = sizes.to(precision)
    largest = perturbation_norm(direction, "Linf")
    direction = direction / torch.where(largest > 0, largest, 1)[:, None, None, None]
    lengths = perturbation_norm(direction, norm)
    # Without clipping this factor is right; with it, a larger one. Every factor tried and kept is small enough.
    factor = wanted / torch.where(lengths > 0, lengths, 1)
    low, high = torch.zeros_like(factor), torch.full_like(factor, DOUBLINGS)
    best = (start + factor[:, None, None, None] * direction).clamp(0, 1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        points = (start + (factor * 2**middle)[:, None, None, None] * direction).clamp(0, 1)
        fits = perturbation_norm(points - start, norm) <= wanted
        best = torch.where(fits[:, None, None, None], points, best)
        low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
    return best.to(images.dtype)
