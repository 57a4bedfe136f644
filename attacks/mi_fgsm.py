"""The momentum iterative fast gradient sign method."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sparsefront.attacks.parts.ascent import Ascent
from sparsefront.attacks.parts.model import Model
from sparsefront.common.rules import check_rules, not_negative


@dataclass(frozen=True)
class MIFGSM(Ascent):
    """Iterated FGSM along a decaying sum of normalised gradients, which transfers better (Dong et al. 2018).

    velocity = momentum * velocity + g / ||g||_1, then a step along the velocity.

    Args:
        eps: radius of the ball in [0, 1] pixel units; `8/255` is read.
        norm: of the ball and of the step.
        relative: `eps` and `step_size` are multiples of each image's own norm.
        loss: `ce` (cross entropy), `cw` (margin) or `dlr` (difference of logits ratio).
        targeted: labels are the classes aimed at.
        eot_iter: passes through a randomised model that are averaged into one gradient.
        steps: gradient steps.
        step_size: length of a step in that norm; eps / steps if absent, as published.
        early_stop: drop a sample as soon as an iterate fools the model; wrong for a surrogate.
        l1_sparsity: fraction of the pixels that an L1 step moves.
        momentum: decay of the velocity, >= 0; 0 gives the iterated FGSM.

    Raises:
        ValueError: a setting out of range.
    """

    reach: ClassVar[float] = 1.0

    momentum: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rules(not_negative(momentum=self.momentum))

    def accumulate(self, velocity: Tensor, gradient: Tensor) -> Tensor:
        """Decay the velocity and add the gradient at L1 length 1; a zero gradient adds nothing."""
        flat = gradient.flatten(1)
        largest = flat.abs().amax(dim=1, keepdim=True)
        scaled = flat / torch.where(largest > 0, largest, 1)  # so that no sum overflows or vanishes
        unit = scaled / scaled.abs().sum(dim=1, keepdim=True).clamp_min(1)
        return self.momentum * velocity + unit.view_as(gradient)

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Ascend from the images."""
        return self.ascend(model, images, images, self.goal(labels)).images
