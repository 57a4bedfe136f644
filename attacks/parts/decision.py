"""What attacks that see decisions only have in common: where they start, and the way to the boundary."""

import copy
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self, get_args

import torch
from torch import Tensor

from sparsefront.attacks.parts.coarse_noise import TRIES, coarse_noise
from sparsefront.attacks.parts.guarded import guarded
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm
from sparsefront.attacks.parts.queries import answers, fools
from sparsefront.attacks.parts.smallest import SmallestPerturbation
from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import at_least, check_rules, one_of

Start = Literal["nearest", "noise"]


@dataclass(frozen=True)
class DecisionAttack(SmallestPerturbation):
    """An attack that starts at an image the model gets wrong and walks back towards the sample.

    A concrete attack writes `_approach`. A sample that is wrong already, or for which no start is found, is returned as
    it is.

    Args:
        start: `nearest`, the nearest (in L2) of the images given to `fitted` that the model gives another label (paper
            001), or `noise`, uniform noise, blended with the image. A sample that no fitted image serves gets noise.
        n_fitting_images: training images that `fitted` is given; no matter (0) with start `noise`.
        targeted: labels are the classes aimed at; the start must have the target's.
        eps: return no perturbation above it, in [0, 1] pixel units; absent: any.
        relative: eps is a multiple of each image's own norm.
        seed: of all random numbers, which depend on (seed, sample, query) alone.

    Raises:
        ValueError: a setting out of range, or a call with start `nearest` before `fitted`.
    """

    knowledge: ClassVar[str | None] = "black_box"

    start: Start = "nearest"
    n_fitting_images: int = 1000
    targeted: bool = False
    eps: PixelSize | None = None
    relative: bool = False
    seed: int = 0
    _candidates: tuple[Tensor, Tensor] | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_rules(one_of(get_args(Start), start=self.start))
        if self.start == "nearest":
            check_rules(at_least(1, n_fitting_images=self.n_fitting_images))
        else:
            object.__setattr__(self, "n_fitting_images", 0)
        self._check_eps()

    @property
    def _small_norm(self) -> Norm:
        return "L2"

    def fitted(self, model: Model, images: Tensor, labels: Tensor) -> Self:
        """Return this attack with images to start from.

        Args:
            model: images -> logits; it decides which label an image has.
            images: (N, C, H, W) in [0, 1], e.g. of the training data.
            labels: (N,) int64, only checked.
        """
        attack = copy.copy(self)
        with guarded(model, images.dtype) as asked:
            predictions = answers(asked, images, labels).argmax(dim=1)
        object.__setattr__(attack, "_candidates", (images.detach().clone(), predictions))
        return attack

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Start, walk, and keep what is no larger than eps."""
        self._check_fitted()
        final = images.clone()
        active = (~fools(model, images, labels, self.targeted)).nonzero().squeeze(1)
        if len(active):
            start, has_start = self._starts(model, images[active], labels[active], indices[active])
            active, start = active[has_start], start[has_start]
        if not len(active):
            return final
        near = self._approach(model, images[active], start, labels[active], indices[active])
        self._put_small(final, active, images[active], near)
        return final

    def _check_fitted(self) -> None:
        if self.start == "nearest" and self._candidates is None:
            raise ValueError(
                f"`start` of {type(self).__name__} is nearest, but it holds no images to start from; "
                "call `fitted(model, images, labels)` with training images first, or use noise."
            )

    @abstractmethod
    def _approach(self, model: Model, images: Tensor, start: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Walk from `start`, which fools, to images (B, C, H, W) nearby that fool."""

    def _starts(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) that fool the model, and where there is one (B,)."""
        start = images.clone()
        has_start = torch.zeros_like(labels, dtype=torch.bool)
        if self.start == "nearest" and self._candidates is not None:
            start, has_start = self._nearest(images, labels, *self._candidates)
            has_start = has_start & fools(model, start, labels, self.targeted)
        for attempt in range(TRIES):
            missing = (~has_start).nonzero().squeeze(1)
            if not len(missing):
                break
            noise = coarse_noise(images[missing], indices[missing], attempt, self.seed)
            fallen = fools(model, noise, labels[missing], self.targeted)
            start[missing[fallen]] = noise[fallen]
            has_start[missing[fallen]] = True
        return start, has_start

    def _nearest(
        self, images: Tensor, labels: Tensor, candidates: Tensor, predictions: Tensor, rank: int = 0
    ) -> tuple[Tensor, Tensor]:
        """The nearest candidate with a label that serves, and whether there is one; by `rank` of the next such label.

        Labels are ranked, for each image, by how near their nearest candidate is.
        """
        candidates, predictions = candidates.to(images), predictions.to(labels.device)
        # Distances by matrix products are rounded differently in every batch.
        exact = "donot_use_mm_for_euclid_dist"
        distances = torch.cdist(images.flatten(1), candidates.flatten(1), compute_mode=exact)
        serves = (predictions == labels[:, None]) == self.targeted
        distances = distances.masked_fill(~serves, torch.inf)
        for _ in range(rank):
            passed = predictions[distances.argmin(dim=1)]
            distances = distances.masked_fill(predictions == passed[:, None], torch.inf)
        return candidates[distances.argmin(dim=1)], distances.isfinite().any(dim=1)
