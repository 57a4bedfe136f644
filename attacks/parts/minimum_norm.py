"""What attacks that look for the smallest perturbation have in common."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, get_args

import torch
from torch import Tensor

from sparsefront.attacks.parts.crossing import rounding
from sparsefront.attacks.parts.growing_balls import cross_somewhere
from sparsefront.attacks.parts.jacobian import leads, logit_gradients
from sparsefront.attacks.parts.losses import fooled
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm, perturbation_norm
from sparsefront.attacks.parts.queries import checked_logits
from sparsefront.attacks.parts.smallest import SmallestPerturbation
from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import check_rules, one_of

DUAL: dict[Norm, Norm] = {"Linf": "L1", "L2": "L2", "L1": "Linf"}


@dataclass(frozen=True)
class MinimumNorm(SmallestPerturbation):
    """The smallest perturbation that fools the model.

    A concrete attack writes `_search`. Where that finds nothing and no `eps` bounds it, the sample is searched for once
    more in growing balls (`cross_somewhere`, which is ours), so that sizes are over all samples wherever there is an
    adversarial image. A sample that is wrong already, or for which nothing is found, is returned as it is.

    Args:
        norm: that is to be small.
        eps: return no perturbation above it, in [0, 1] pixel units (`8/255` is read); absent: any.
        relative: eps is a multiple of each image's own norm ||x||.

    Raises:
        ValueError: a setting out of range, or a norm that the attack does not know.
    """

    norms: ClassVar[tuple[Norm, ...]] = get_args(Norm)

    norm: Norm = "L2"
    eps: PixelSize | None = None
    relative: bool = False

    def __post_init__(self) -> None:
        check_rules(one_of(self.norms, norm=self.norm))
        self._check_eps()

    @property
    def _small_norm(self) -> Norm:
        return self.norm

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Search where the model is right, and keep what is no larger than eps."""
        with torch.no_grad():
            logits = checked_logits(model(images), labels)
        final = images.clone()
        active = (~fooled(logits, labels, self.targeted)).nonzero().squeeze(1)
        if not len(active):
            return final
        images, labels, indices = images[active], labels[active], indices[active]
        near = self._search(model, images, labels, indices)
        if self.eps is None:
            self._fall_back(model, images, labels, indices, near)
        self._put_small(final, active, images, near)
        return final

    def _fall_back(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor, near: Tensor) -> None:
        """Search once more for the images (B, C, H, W) that `near` holds as they were; it is changed in place."""
        rows = (near == images).flatten(1).all(dim=1).nonzero().squeeze(1)
        if len(rows):
            samples = images[rows], labels[rows], indices[rows]
            near[rows] = cross_somewhere(model, *samples, self.norm, self.targeted, self._least_lead)

    @property
    def _least_lead(self) -> float:
        """By how much, in logits, an image has to be beyond the boundary to count."""
        return 0.0

    @abstractmethod
    def _search(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Images (B, C, H, W) that fool the model, near `images`, which do not; those where none is found."""


def dual_size(gradients: Tensor, norm: Norm) -> Tensor:
    """Dual norm of each gradient: (B, ...) -> (B,); no square leaves the floats' range on the way."""
    largest = perturbation_norm(gradients, "Linf")
    scaled = gradients.flatten(1) / torch.where(largest > 0, largest, 1)[:, None]
    return largest * perturbation_norm(scaled, DUAL[norm])


def boundaries(
    model: Model, points: Tensor, labels: Tensor, classes: Tensor, norm: Norm
) -> tuple[Tensor, Tensor, Tensor]:
    """The linearised boundaries between the labels (B,) and some classes (J, B), by J backward passes.

    Returns:
        w (J, B, C, H, W) and b (J, B), so that the boundaries are {points + d: <w, d> = b}, and their signed distances
        (J, B), infinite where no gradient leads there.
    """
    logits, gradients = logit_gradients(model, points, labels, lambda logits: leads(logits, labels, classes))
    offsets = rounding(logits) - leads(logits, labels, classes)
    slopes = dual_size(gradients.flatten(0, 1), norm).view_as(offsets)
    return gradients, offsets, torch.where(slopes > 0, offsets / slopes, torch.inf)


def nearest_boundary(
    model: Model, points: Tensor, labels: Tensor, classes: Tensor, norm: Norm
) -> tuple[Tensor, Tensor, Tensor]:
    """The nearest of these boundaries: w (B, C, H, W), b (B,) and the signed distance (B,)."""
    gradients, offsets, distances = boundaries(model, points, labels, classes, norm)
    nearest = distances.abs().argmin(dim=0)
    samples = torch.arange(len(points), device=points.device)
    return gradients[nearest, samples], offsets[nearest, samples], distances[nearest, samples]
