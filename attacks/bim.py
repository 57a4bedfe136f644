"""The basic iterative method."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from sparsefront.attacks.parts.ascent import Ascent
from sparsefront.attacks.parts.model import Model


@dataclass(frozen=True)
class BIM(Ascent):
    """FGSM in small steps from the image itself (Kurakin et al. 2017, also I-FGSM): PGD without a random start.

    Args:
        eps: radius of the ball in [0, 1] pixel units; `8/255` is read.
        norm: of the ball and of the step.
        relative: `eps` and `step_size` are multiples of each image's own norm.
        loss: `ce` (cross entropy), `cw` (margin) or `dlr` (difference of logits ratio).
        targeted: labels are the classes aimed at.
        eot_iter: passes through a randomised model that are averaged into one gradient.
        steps: gradient steps.
        step_size: length of a step in that norm; 1.25 * eps / steps if absent, as published (steps of one grey level,
            1.25 times as many as eps has).
        early_stop: drop a sample as soon as an iterate fools the model; wrong for a surrogate.
        l1_sparsity: fraction of the pixels that an L1 step moves.

    Raises:
        ValueError: a setting out of range.
    """

    reach: ClassVar[float] = 1.25

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Ascend from the images."""
        return self.ascend(model, images, images, self.goal(labels)).images
