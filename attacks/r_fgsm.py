"""FGSM after a random step."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from sparsefront.attacks.parts.bounded import Bounded
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import radii
from sparsefront.attacks.parts.steps import linear_maximiser, steepest
from sparsefront.common.noise import normal
from sparsefront.common.pixel_size import PixelSize


@dataclass(frozen=True)
class RFGSM(Bounded):
    """A random step of size alpha, then FGSM with what is left of eps (Tramèr et al. 2018, R+FGSM).

    The random step leaves the point where a defense has flattened its gradient. Linf: alpha * sign(z), z normal, as
    published; L2: alpha * z / ||z||; L1: alpha in equal parts.

    Args:
        eps: size of the perturbation in [0, 1] pixel units; `8/255` is read.
        norm: in which eps and alpha are measured.
        relative: `eps` and `alpha` are multiples of each image's own norm.
        loss: `ce` (cross entropy), `cw` (margin) or `dlr` (difference of logits ratio).
        targeted: labels are the classes aimed at.
        eot_iter: passes through a randomised model that are averaged into one gradient.
        alpha: size of the random step, at most eps; eps / 2 if absent.
        seed: of the random step, which depends on (seed, sample) alone.

    Raises:
        ValueError: a setting out of range.
    """

    single_step: ClassVar[bool] = True

    alpha: PixelSize | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alpha is not None and (alpha := float(self.alpha)) > self.radius:
            raise ValueError(
                f"`alpha` must be at most `eps`, {self.radius:g}, found {alpha:g}; no budget would be left."
            )

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Step at random, then uphill."""
        alpha = self.radius / 2 if self.alpha is None else float(self.alpha)
        spent = radii(alpha, images, self.norm, self.relative)
        noise = normal(indices, images.shape[1:], seed=self.seed, stream=0).to(images.dtype)
        start = (images + steepest(noise, images, spent, self.norm)).clamp(0, 1)
        _, gradient = self.differentiate(model, start, self.goal(labels))
        return linear_maximiser(gradient, start, self.radii(images) - spent, self.norm)
