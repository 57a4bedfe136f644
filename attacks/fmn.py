"""The fast minimum-norm attack."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsefront.attacks.parts.balls import confine
from sparsefront.attacks.parts.crossing import lead_of, rounding
from sparsefront.attacks.parts.differentiation import value_and_gradient
from sparsefront.attacks.parts.jacobian import runners_up
from sparsefront.attacks.parts.losses import lead
from sparsefront.attacks.parts.minimum_norm import MinimumNorm, boundaries, dual_size
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import diameter, perturbation_norm
from sparsefront.attacks.parts.queries import checked_logits
from sparsefront.attacks.parts.steps import steepest
from sparsefront.common.rules import at_least, check_rules, positive


@dataclass(frozen=True)
class FMN(MinimumNorm):
    """Smallest perturbation by gradient steps in a ball that shrinks and grows (Pintor et al. 2021).

    Each step raises the lead over the label, max_{j != y} z_j - z_y, by `step_size` along the gradient and is projected
    to a ball of the sample's own radius: where the model is fooled the radius shrinks by a share `shrinkage`, else it
    grows by it; until it has been fooled once, the radius is at least a little above the distance to the linearised
    boundary. Both lengths decay along half a cosine, the step to a hundredth.

    That is the publication's, and ends at the boundary of the class of largest logit, which need not be the nearest. So
    where it ended at another class than t, that of the nearest linearised boundary of the clean image, a second search
    raises z_t - z_y, and the smaller of both perturbations is returned. `n_candidate_classes: null` leaves that out.

    Args:
        norm: that is to be small, `Linf`, `L2` or `L1`.
        steps: gradient steps.
        step_size: L2 length of the first step (alpha of the paper).
        shrinkage: first relative change of the radius (gamma of the paper).
        final_shrinkage: last relative change of the radius.
        targeted: labels are the classes aimed at.
        n_candidate_classes: t is found among these many classes of largest clean logits, the label among them, by a
            backward pass for each of the others; absent: the published form. A targeted search needs none.
        eps: return no perturbation above it, in [0, 1] pixel units; `8/255` is read; absent: any.
        relative: `eps` is a multiple of each image's own norm ||x||.

    Raises:
        ValueError: a setting out of range.
    """

    steps: int = 100
    step_size: float = 1.0
    shrinkage: float = 0.05
    final_shrinkage: float = 0.001
    targeted: bool = False
    n_candidate_classes: int | None = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rules([*at_least(1, steps=self.steps), *positive(step_size=self.step_size)])
        if self.n_candidate_classes is not None:
            check_rules(at_least(2, n_candidate_classes=self.n_candidate_classes))
        if not 0 < self.final_shrinkage <= self.shrinkage < 1:
            raise ValueError(
                "`shrinkage` and `final_shrinkage` must lie in (0, 1), the final one not above the first, found "
                f"{self.shrinkage} and {self.final_shrinkage}."
            )

    def _search(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Walk to whatever class is ahead, then to the nearest one where that was another."""
        best, sizes = self._walk(model, images, labels, None)
        if self.targeted or self.n_candidate_classes is None:
            return best
        aims = self._nearest(model, images, labels, self.n_candidate_classes)
        with torch.no_grad():
            ended = runners_up(checked_logits(model(best), labels), labels, 1)[0]
        rows = ((ended != aims) | sizes.isinf()).nonzero().squeeze(1)
        if len(rows):
            nearest, nearest_sizes = self._walk(model, images[rows], labels[rows], aims[rows])
            smaller = nearest_sizes < sizes[rows]
            best[rows[smaller]] = nearest[smaller]
        return best

    def _nearest(self, model: Model, images: Tensor, labels: Tensor, n_classes: int) -> Tensor:
        """The classes (B,) of the nearest linearised boundaries."""
        with torch.no_grad():
            candidates = runners_up(checked_logits(model(images), labels), labels, n_classes - 1)
        _, _, distances = boundaries(model, images, labels, candidates, self.norm)
        return candidates.gather(0, distances.abs().argmin(dim=0, keepdim=True))[0]

    def _walk(self, model: Model, images: Tensor, labels: Tensor, aims: Tensor | None) -> tuple[Tensor, Tensor]:
        """Step and resize: the smallest images (B, C, H, W) that fool and their sizes (B,), infinite where none does.

        It leads to the classes `aims` (B,) or, without them, off the labels.
        """

        def loss(logits: Tensor) -> Tensor:
            if aims is None:
                return lead_of(logits, labels, self.targeted)
            return lead(logits, aims, labels) - rounding(logits)

        points = images
        best = images.clone()
        best_sizes = images.new_full((len(images),), torch.inf)
        limits = torch.zeros(len(images)).to(images)
        for step in range(self.steps):
            logits, gradient = value_and_gradient(model, points, loss, labels)
            fallen = lead_of(logits, labels, self.targeted) > 0
            sizes = perturbation_norm(points - images, self.norm)
            smaller = fallen & (sizes < best_sizes)
            best[smaller] = points[smaller]
            best_sizes[smaller] = sizes[smaller]
            decay = (1 + math.cos(math.pi * step / self.steps)) / 2
            slopes = dual_size(gradient, self.norm)
            ahead = torch.where(slopes > 0, -loss(logits) / slopes, torch.inf).clamp_max(diameter(images, self.norm))
            limits = self._resize(limits, fallen, sizes + ahead, best_sizes, decay)
            length = self.step_size * (0.01 + 0.99 * decay)
            points = confine(points + steepest(gradient, points, length, "L2"), images, limits, self.norm)
        return best, best_sizes

    def _resize(self, limits: Tensor, fallen: Tensor, far: Tensor, best_sizes: Tensor, decay: float) -> Tensor:
        """New radii (B,); `far` are those that reach the linearised boundary."""
        change = self.final_shrinkage + (self.shrinkage - self.final_shrinkage) * decay
        # The distance itself would end on the boundary, where rounding decides, or before it where the box clips.
        wanted = torch.where(best_sizes.isfinite(), limits, torch.maximum(limits, far))
        return torch.where(fallen, torch.minimum((1 - change) * limits, best_sizes), (1 + change) * wanted)
