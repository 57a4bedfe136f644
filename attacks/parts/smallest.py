"""What all attacks that make a perturbation small say of its size."""

from abc import abstractmethod

import torch
from torch import Tensor

from sparsefront.attacks.base import Attack
from sparsefront.attacks.parts.norms import Norm, perturbation_norm, radii
from sparsefront.attacks.parts.reach import radius_rules
from sparsefront.common.budget import Budget
from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import check_rules


class SmallestPerturbation(Attack):
    """An attack that makes a norm of the perturbation small and may return none above a limit.

    A concrete one has the settings `eps` and `relative` and says its norm.

    Attributes:
        eps: the largest perturbation to return, in [0, 1] pixel units; None: any.
        relative: whether `eps` is a multiple of each image's own norm ||x||.
    """

    eps: PixelSize | None
    relative: bool

    @property
    @abstractmethod
    def _small_norm(self) -> Norm:
        """The norm that is to become small."""

    @property
    def budget(self) -> Budget | None:
        """The ball of radius `eps`, if that is given."""
        return None if self.eps is None else Budget(self._small_norm, float(self.eps), self.relative)

    @property
    def minimises(self) -> str | None:
        """The norm, unless `eps` bounds it."""
        return self._small_norm if self.eps is None else None

    def limits(self, images: Tensor) -> Tensor:
        """The largest perturbation of each image that is of use: (B, C, H, W) -> (B,), infinite without `eps`."""
        if self.eps is None:
            return images.new_full((len(images),), torch.inf)
        return radii(float(self.eps), images, self._small_norm, self.relative)

    def _check_eps(self) -> None:
        """Raise a ValueError unless `eps`, if it is given, can be a ball's radius."""
        if self.eps is not None:
            check_rules(radius_rules(self._small_norm, self.relative, eps=float(self.eps)))

    def _put_small(self, results: Tensor, rows: Tensor, images: Tensor, near: Tensor) -> None:
        """Write what is no farther than `eps` from the images into the results of the batch.

        Args:
            results: (B, C, H, W), changed in place.
            rows: (S,) int64, the places of S samples in it.
            images: (S, C, H, W) the clean ones.
            near: (S, C, H, W) the adversarial ones.
        """
        if self.eps is not None:
            kept = perturbation_norm(near - images, self._small_norm) <= self.limits(images)
            rows, near = rows[kept], near[kept]
        results[rows] = near
