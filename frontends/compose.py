"""Several front ends, one after the other."""

import math

from torch import Tensor

from sparsefront.common.random import drawing, seed_of
from sparsefront.frontends.base import ImageMap
from sparsefront.frontends.parts.combination import Builder, Combination


class Compose(Combination):
    """The composition f_n(... f_2(f_1(x))) of front ends: each sees what the one before it returns.

    All but the last must return images. Copies multiply: five copies of three copies are fifteen an image, side by
    side. It is randomised if a part is.

    The parts learn in their order, each from what the learned ones before it return, or, if it `learns_from_original`,
    from the clean images themselves. What is drawn for that depends on the step and the process alone, so that the
    same images teach the same.

    Backward modes:

    * `parts`, the default: each part in its own default mode;
    * `exact`: each part's exact mode, where all of them have one;
    * `identity`: the images handed on as they are, past all parts at once, where the last one returns images.

    Args:
        image_shape: (C, H, W) of the images.
        parts: classes whose first argument is (C, H, W), named in YAML with their other settings, as a list.

    Raises:
        ValueError: no part, or a part that returns codes before the last one.
    """

    def __init__(self, image_shape: tuple[int, int, int], parts: list[Builder]) -> None:
        super().__init__(image_shape, parts)
        for part in self._parts[:-1]:
            if not part.returns_images:
                raise ValueError(
                    f"`parts` must return images but for the last, found {type(part).__name__} returning codes; "
                    "let it decode them, or put it last."
                )
        self.n_copies = math.prod(part.n_copies for part in self._parts)

    @property
    def out_channels(self) -> int:
        """Channels of what the last part returns."""
        return self._parts[-1].out_channels

    @property
    def returns_images(self) -> bool:
        """Whether the last part returns images."""
        return self._parts[-1].returns_images

    def reconstruct(self, images: Tensor) -> Tensor | None:
        """What is left of (B, C, H, W) images; of codes, what the last part rebuilds from them."""
        if self.returns_images:
            return super().reconstruct(images)
        *first, last = self._parts
        rebuilt = last.reconstruct(self._join(list(first))(images))
        return None if rebuilt is None else rebuilt[:: self.n_copies // last.n_copies]

    def _join(self, maps: list[ImageMap]) -> ImageMap:
        def through(images: Tensor) -> Tensor:
            for step in maps:
                images = step(images)
            return images

        return through

    def _shown_to(self, index: int, images: Tensor) -> Tensor:
        # The global random numbers are where other work left them: learning draws its own, and leaves those alone.
        with drawing(images.device, seed_of(index, int(self.learning_step), self.processes.rank)):
            return self._join(list(self._parts[:index]))(images)
