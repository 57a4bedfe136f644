"""The fast gradient sign method."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from sparsefront.attacks.parts.bounded import Bounded
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.steps import linear_maximiser


@dataclass(frozen=True)
class FGSM(Bounded):
    """One step to the maximum of the linearised loss (Goodfellow et al. 2015; L2 and L1: its fast gradient method).

    Args:
        eps: size of the perturbation in [0, 1] pixel units; `8/255` is read.
        norm: in which eps is measured; `Linf` moves by eps * sign(g), `L2` by eps * g / ||g||, `L1` spends eps on the
            pixels of largest |g|.
        relative: `eps` is a multiple of each image's own norm.
        loss: `ce` (cross entropy), `cw` (margin) or `dlr` (difference of logits ratio).
        targeted: labels are the classes aimed at.
        eot_iter: passes through a randomised model that are averaged into one gradient.

    Raises:
        ValueError: a setting out of range.
    """

    single_step: ClassVar[bool] = True

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Step once."""
        _, gradient = self.differentiate(model, images, self.goal(labels))
        return linear_maximiser(gradient, images, self.radii(images), self.norm)
