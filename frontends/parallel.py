"""Several front ends side by side, their probabilities averaged."""

import math

import torch
from torch import Tensor

from sparsefront.frontends.base import ImageMap
from sparsefront.frontends.parts.combination import Builder, Combination


class Parallel(Combination):
    """An ensemble of front ends before one classifier: each sees the image given, and all count equally.

    The classifier's probabilities are averaged over each part's copies, then over the parts:

        p(x) = 1/P sum over parts i of 1/n_i sum over copies j of softmax(classifier(f_ij(x))).

    That is Guo et al.'s ensemble of transformations (2018, "Countering adversarial images using input
    transformations", section 5) with one classifier for all of them; theirs has one trained for each. It is computed
    as a plain average over copies: of a part with fewer than the least common multiple of all n_i each copy is
    repeated. A part of one copy beside one of 30 so costs 30 passes through the classifier as well.

    It is randomised if a part is. The parts learn one after the other, each from the images given.

    Backward modes:

    * `parts`, the default: each part in its own default mode;
    * `exact`: each part's exact mode, where all of them have one;
    * `identity`: the images handed on as they are, past all parts.

    Args:
        image_shape: (C, H, W) of the images.
        parts: classes whose first argument is (C, H, W), named in YAML with their other settings, as a list; a chain
            is a `Compose`.

    Raises:
        ValueError: no part, or one that returns codes.
    """

    def __init__(self, image_shape: tuple[int, int, int], parts: list[Builder]) -> None:
        super().__init__(image_shape, parts)
        for part in self._parts:
            if not part.returns_images:
                raise ValueError(
                    f"`parts` must return images, found {type(part).__name__} returning codes; let it decode them."
                )
        self._each = math.lcm(*(part.n_copies for part in self._parts))
        self.n_copies = self._each * len(self._parts)

    def _join(self, maps: list[ImageMap]) -> ImageMap:
        def beside(images: Tensor) -> Tensor:
            copies = [
                step(images.clone()).unflatten(0, (len(images), part.n_copies))  # it may write into what it is given
                for part, step in zip(self._parts, maps, strict=True)
            ]
            repeated = [some.repeat_interleave(self._each // some.shape[1], dim=1) for some in copies]
            return torch.cat(repeated, dim=1).flatten(0, 1)

        return beside

    def _shown_to(self, index: int, images: Tensor) -> Tensor:
        return images
