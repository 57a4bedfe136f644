"""Several front ends, one after the other."""

import math
from collections.abc import Callable

from torch import Tensor, nn

from frontends.base import FrontEnd, ImageMap

Builder = Callable[[tuple[int, int, int]], FrontEnd]


class Compose(FrontEnd):
    """The composition f_n(... f_2(f_1(x))) of front ends: each sees what the one before it returns.

    All but the last must return images. Copies multiply: five copies of three copies are fifteen an image, side by
    side. It is randomised if a part is. The parts learn in their order, each from what the learned ones before it
    return.

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

    default_backward = "parts"

    def __init__(self, image_shape: tuple[int, int, int], parts: list[Builder]) -> None:
        super().__init__(image_shape)
        if not parts:
            raise ValueError("`parts` must name at least one front end, found none; Identity changes nothing.")
        self.parts = nn.ModuleList(part(self.image_shape) for part in parts)
        for part in self._parts[:-1]:
            if not part.returns_images:
                raise ValueError(
                    f"`parts` must return images but for the last, found {type(part).__name__} returning codes; "
                    "let it decode them, or put it last."
                )
        self.randomised = any(part.randomised for part in self._parts)
        self.n_copies = math.prod(part.n_copies for part in self._parts)
        self._learning = [index for index, part in enumerate(self._parts) if not part.learned]
        self._most_steps: float = math.inf
        self.learned.fill_(not self._learning)

    @property
    def _parts(self) -> list[FrontEnd]:
        return list(self.parts)  # type: ignore[arg-type]

    @property
    def out_channels(self) -> int:
        """Channels of what the last part returns."""
        return self._parts[-1].out_channels

    @property
    def returns_images(self) -> bool:
        """Whether the last part returns images."""
        return self._parts[-1].returns_images

    def forward(self, images: Tensor) -> Tensor:
        """Hand (B, C, H, W) images through all parts."""
        for part in self._parts:
            images = part(images)
        return images

    def backward_modes(self) -> dict[str, Callable[..., ImageMap]]:
        """`parts`, and `exact` and `identity` where they exist."""
        modes: dict[str, Callable[..., ImageMap]] = {"parts": self._by_parts}
        if all("exact" in part.backward_modes() for part in self._parts):
            modes["exact"] = self._exact_parts
        if self.returns_images:
            modes["identity"] = self._identity
        return modes

    def _by_parts(self) -> ImageMap:
        return _chain([part.stand_in(part.default_backward) for part in self._parts])

    def _exact_parts(self) -> ImageMap:
        return _chain([part.stand_in("exact") for part in self._parts])

    def atoms(self) -> Tensor | None:
        """The first dictionary among the parts."""
        return next((atoms for part in self._parts if (atoms := part.atoms()) is not None), None)

    @property
    def n_learning_steps(self) -> int:
        """Batches that all parts learn from together. Set, it is the most that any one of them takes."""
        return sum(self._steps(self._parts[index]) for index in self._learning)

    @n_learning_steps.setter
    def n_learning_steps(self, most: int) -> None:
        self._most_steps = most

    def _steps(self, part: FrontEnd) -> int:
        return int(min(part.n_learning_steps, self._most_steps))

    def learn_from(self, images: Tensor) -> dict[str, float]:
        """Let the first part that has not learned do so from what the parts before it return."""
        index = next(index for index in self._learning if not self._parts[index].learned)
        for before in self._parts[:index]:
            images = before(images)
        part = self._parts[index]
        part.trainer = self._trainer  # for its sums over processes
        try:
            metrics = part.learn_from(images)
        finally:
            part.trainer = None
        part.learning_step += 1
        if part.learning_step >= self._steps(part):
            part.learned.fill_(True)
        name = type(part).__name__
        return {f"{index}_{name}/{key}": value for key, value in metrics.items()}


def _chain(maps: list[ImageMap]) -> ImageMap:
    def through(images: Tensor) -> Tensor:
        for step in maps:
            images = step(images)
        return images

    return through
