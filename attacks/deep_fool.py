"""DeepFool."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sparsefront.attacks.parts.crossing import lead_of
from sparsefront.attacks.parts.jacobian import runners_up
from sparsefront.attacks.parts.minimum_norm import MinimumNorm, nearest_boundary
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm, diameter
from sparsefront.attacks.parts.queries import checked_logits
from sparsefront.attacks.parts.steps import steepest
from sparsefront.attacks.parts.walk import Walk, all_rows
from sparsefront.common.rules import at_least, check_rules, not_negative

LEAST_STEP = 1e-4  # foolbox, too, adds this to each distance


@dataclass
class _Steps(Walk):
    """Samples on their way: images, iterates, sums of the steps (S, C, H, W), labels (S,), rival classes (S, J)."""

    clean: Tensor
    here: Tensor
    total: Tensor
    labels: Tensor
    rivals: Tensor


@dataclass(frozen=True)
class DeepFool(MinimumNorm):
    """Step after step to the nearest boundary of the linearised model (Moosavi-Dezfooli et al. 2016).

    Each step goes to the class of smallest |f_k| / ||w_k||, where f_k = z_k - z_label, w_k is its gradient and the norm
    is the dual of `norm`: |f_k| w_k / ||w_k||^2 for L2, |f_k| sign(w_k) / ||w_k||_1 for Linf.

    The paper knows no box. One takes a part of each step away where pixels are black or white, so that a walk of steps
    to the boundary comes ever nearer and never across: here no step is shorter than 1e-4.

    Args:
        norm: `L2` or `Linf`.
        steps: at most so many.
        overshoot: the sum of the steps is stretched by 1 + overshoot to get over the boundary.
        n_candidate_classes: only these many classes of largest clean logits are looked at, the label among them; each
            but the label costs a backward pass a step.
        eps: return no perturbation above it, in [0, 1] pixel units; `8/255` is read; absent: any.
        relative: `eps` is a multiple of each image's own norm ||x||.

    Raises:
        ValueError: a setting out of range.
    """

    norms: ClassVar[tuple[Norm, ...]] = ("L2", "Linf")

    steps: int = 50
    overshoot: float = 0.02
    n_candidate_classes: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rules(
            [
                *at_least(1, steps=self.steps),
                *at_least(2, n_candidate_classes=self.n_candidate_classes),
                *not_negative("the paper has 0.02", overshoot=self.overshoot),
            ]
        )

    def _search(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Step until every sample has crossed the boundary; one that has is dropped."""
        final = images.clone()
        logits = self._logits(model, images, labels)
        rivals = runners_up(logits, labels, self.n_candidate_classes - 1).T
        walk = _Steps(all_rows(images), images, images, torch.zeros_like(images), labels, rivals)
        for step in range(self.steps + 1):
            fallen = lead_of(logits, walk.labels) > 0
            walk.put(final, walk.here, fallen)
            if not walk.drop(fallen) or step == self.steps:
                break
            normals, _, distances = nearest_boundary(model, walk.here, walk.labels, walk.rivals.T, self.norm)
            lengths = distances.clamp(LEAST_STEP, diameter(walk.here, self.norm))
            walk.total = (walk.total + steepest(normals, walk.here, lengths, self.norm)).clamp(-1, 1)
            walk.here = (walk.clean + (1 + self.overshoot) * walk.total).clamp(0, 1)
            # Backward passes are most of the cost, so that a look ahead for those who need none pays.
            logits = self._logits(model, walk.here, walk.labels)
        return final

    @torch.no_grad()
    def _logits(self, model: Model, images: Tensor, labels: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K), without a gradient."""
        return checked_logits(model(images), labels)
