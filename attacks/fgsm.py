"""The fast gradient sign method."""

from dataclasses import dataclass
from typing import get_args

from torch import Tensor

from attacks.base import Attack, Model, check_choice, number, value_and_gradient
from attacks.losses import Loss, adversarial_loss
from attacks.norms import Norm, linear_maximiser


@dataclass(frozen=True)
class FGSM(Attack):
    """One step to the maximum of the linearised loss (Goodfellow et al. 2015; L2 and L1: its fast gradient method).

    Args:
        eps: size of the perturbation in [0, 1] pixel units; `8/255` is read.
        norm: in which eps is measured; `Linf` moves by eps * sign(g), `L2` by eps * g / ||g||, `L1` spends eps on the
            pixels of largest |g|.
        loss: `ce` (cross entropy), `cw` (margin) or `dlr` (difference of logits ratio).
        targeted: labels are the classes aimed at.

    Raises:
        ValueError: eps < 0, or a norm or loss that does not exist.
    """

    eps: float | str = "8/255"
    norm: Norm = "Linf"
    loss: Loss = "ce"
    targeted: bool = False

    def __post_init__(self) -> None:
        number(self.eps, "eps")
        check_choice(self.norm, "norm", get_args(Norm))
        check_choice(self.loss, "loss", get_args(Loss))

    @property
    def radius(self) -> float:
        """The number that `eps` says."""
        return number(self.eps, "eps")

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Step once."""
        _, gradient = value_and_gradient(model, images, adversarial_loss(self.loss, labels, self.targeted), labels)
        return linear_maximiser(gradient, images, self.radius, self.norm)
