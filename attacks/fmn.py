"""The fast minimum-norm attack."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from attacks.base import Model, check_at_least, value_and_gradient
from attacks.minimum_norm import MinimumNorm, diameter, dual_size, lead_of
from attacks.norms import confine, size, steepest


@dataclass(frozen=True)
class FMN(MinimumNorm):
    """Smallest perturbation by gradient steps in a ball that shrinks and grows (Pintor et al. 2021).

    Each step raises the lead over the label by `step_size` along the gradient and is projected to a ball of the
    sample's own radius: where the model is fooled the radius shrinks by a share `shrinkage`, else it grows by it; until
    it has been fooled once, the radius is at least a little above the distance to the linearised boundary. Both lengths
    decay along half a cosine, the step to a hundredth.

    Args:
        norm: that is to be small, `Linf`, `L2` or `L1`.
        steps: gradient steps.
        step_size: L2 length of the first step (alpha of the paper).
        shrinkage: first relative change of the radius (gamma of the paper).
        final_shrinkage: last relative change of the radius.
        targeted: labels are the classes aimed at.

    Further arguments as in `MinimumNorm`.

    Raises:
        ValueError: a setting out of range.
    """

    steps: int = 100
    step_size: float = 1.0
    shrinkage: float = 0.05
    final_shrinkage: float = 0.001
    targeted: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self.steps, "steps", 1)
        if not self.step_size > 0:
            raise ValueError(f"`step_size` must be positive, found {self.step_size}.")
        if not 0 < self.final_shrinkage <= self.shrinkage < 1:
            raise ValueError(
                "`shrinkage` and `final_shrinkage` must lie in (0, 1), the final one not above the first, found "
                f"{self.shrinkage} and {self.final_shrinkage}."
            )

    def _search(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Step and resize, sample by sample keeping the smallest that fools."""
        found, best = images, images.clone()
        best_sizes, limits = images.new_full((len(images),), torch.inf), torch.zeros(len(images)).to(images)
        for step in range(self.steps):
            logits, gradient = value_and_gradient(
                model, found, lambda logits: lead_of(logits, labels, self.targeted), labels
            )
            leads, sizes = lead_of(logits, labels, self.targeted), size(found - images, self.norm)
            smaller = (leads > 0) & (sizes < best_sizes)
            best[smaller], best_sizes[smaller] = found[smaller], sizes[smaller]
            decay = (1 + math.cos(math.pi * step / self.steps)) / 2
            limits = self._resize(limits, leads, sizes, best_sizes, gradient, decay)
            length = self.step_size * (0.01 + 0.99 * decay)
            found = confine(found + steepest(gradient, found, length, "L2"), images, limits, self.norm)
        return best

    def _resize(
        self, limits: Tensor, leads: Tensor, sizes: Tensor, best_sizes: Tensor, gradient: Tensor, decay: float
    ) -> Tensor:
        """New radii (B,)."""
        change = self.final_shrinkage + (self.shrinkage - self.final_shrinkage) * decay
        slopes = dual_size(gradient, self.norm)
        ahead = torch.where(slopes > 0, -leads / slopes, torch.inf).clamp_max(diameter(gradient, self.norm))
        # The distance itself would end on the boundary, where rounding decides, or before it where the box clips.
        wanted = torch.where(best_sizes.isfinite(), limits, torch.maximum(limits, sizes + ahead))
        grown = (1 + change) * wanted
        return torch.where(leads > 0, torch.minimum((1 - change) * limits, best_sizes), grown)
