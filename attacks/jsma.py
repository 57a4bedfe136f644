"""The Jacobian saliency map attack."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from sparsefront.attacks.base import Attack
from sparsefront.attacks.parts.jacobian import logit_gradients
from sparsefront.attacks.parts.losses import fooled
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.salient_pairs import most_salient_pair
from sparsefront.attacks.parts.walk import Walk, all_rows
from sparsefront.common.rules import check_rules, one_of, unit_interval

PairSearch = Literal["exact", "top2"]
LEAST_THETA = 1e-3  # less would take a thousand steps to move one pair


@dataclass
class _Steps(Walk):
    """Samples on their way: their iterates (S, C, H, W), labels (S,) and which pixels were changed (S, D)."""

    here: Tensor
    labels: Tensor
    touched: Tensor


@dataclass(frozen=True)
class JSMA(Attack):
    """Change the most salient pair of pixels again and again (Papernot et al. 2016).

    With a the gradient of the logit aimed at and b that of the sum of all others, the pair (p, q) of largest
    -(a_p + a_q) (b_p + b_q), among those with a_p + a_q > 0 > b_p + b_q, moves by theta; for theta < 0 both signs turn.
    Untargeted, the label's own logit is to fall and the others are to rise. A pixel here is one channel's value. A
    sample is done when it fools, when no pair is left that helps, or when `gamma` of its pixels have been touched.

    Args:
        theta: change of a pixel, in [0, 1] units; negative to darken.
        gamma: largest share of the pixels to touch.
        pair_search: `exact`, or `top2` as ART has it: the two pixels of largest a, whatever b; one backward pass
            instead of two.
        targeted: labels are the classes aimed at.

    Raises:
        ValueError: a setting out of range.
    """

    theta: float = 1.0
    gamma: float = 0.1
    pair_search: PairSearch = "exact"
    targeted: bool = False

    def __post_init__(self) -> None:
        check_rules(one_of(get_args(PairSearch), pair_search=self.pair_search))
        if not LEAST_THETA <= abs(self.theta) <= 1:
            raise ValueError(f"`theta` must lie in [-1, 1] and be {LEAST_THETA} or more in size, found {self.theta}.")
        check_rules(unit_interval("it is a share of the pixels", gamma=self.gamma))

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Change a pair a step in every sample that is not done."""
        final = images.clone()
        touched = torch.zeros(images.flatten(1).shape, dtype=torch.bool, device=images.device)
        most = int(self.gamma * touched.shape[1] * (1 + 1e-9))  # a share such as 3 / 49 of 49 is 3, not 2.999...
        walk = _Steps(all_rows(images), images, labels, touched)
        while True:
            rises, falls, standing = self._salience(model, walk.here, walk.labels)
            free = (walk.here < 1 if self.theta > 0 else walk.here > 0).flatten(1)
            # Where all pixels that may be are touched, only these may move on.
            spare = most - walk.touched.sum(dim=1, keepdim=True)
            free &= walk.touched | (spare >= 2)
            pairs, helps = self._pairs(rises, falls, free)
            done = ~(standing & helps)
            walk.put(final, walk.here, done)
            if not walk.drop(done):
                return final
            walk.touched = walk.touched.scatter(1, pairs[~done], True)
            change = torch.zeros_like(walk.here).flatten(1).scatter_(1, pairs[~done], self.theta)
            walk.here = (walk.here + change.view_as(walk.here)).clamp(0, 1)

    def _salience(self, model: Model, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """How far each pixel (B, D) raises the logit aimed at and lowers the others, and who still stands (B,)."""

        def outputs(logits: Tensor) -> Tensor:
            aimed_at = logits.gather(1, labels[:, None]).squeeze(1)
            return torch.stack([aimed_at, logits.sum(dim=1)] if self.pair_search == "exact" else [aimed_at])

        logits, gradients = logit_gradients(model, images, labels, outputs)
        label_gradient, total = gradients[0].flatten(1), gradients[-1].flatten(1)
        sign = (1 if self.targeted else -1) * (1 if self.theta > 0 else -1)
        return sign * label_gradient, sign * (label_gradient - total), ~fooled(logits, labels, self.targeted)

    def _pairs(self, rises: Tensor, falls: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
        """Pixel numbers (B, 2) and whether they help (B,)."""
        if self.pair_search == "exact":
            return most_salient_pair(rises, falls, free)
        values, pairs = rises.masked_fill(~free, -torch.inf).topk(2, dim=1)
        return pairs, values.sum(dim=1) > 0
