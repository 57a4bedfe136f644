"""What front ends made of several others have in common."""

import math
from abc import abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from sparsefront.common.build_part import build_part
from sparsefront.frontends.base import FrontEnd, ImageMap

Builder = Callable[[tuple[int, int, int]], FrontEnd]


class Combination(FrontEnd):
    """A front end made of `parts`, which learn one after the other.

    Backward modes:

    * `parts`, the default: each part in its own default mode;
    * `exact`: each part's exact mode, where all of them have one;
    * `identity`: the images handed on as they are, past all parts at once, where images are returned.

    Args:
        image_shape: (C, H, W) of the images.
        parts: classes whose first argument is (C, H, W).

    Raises:
        ValueError: no part.
    """

    default_backward = "parts"

    def __init__(self, image_shape: tuple[int, int, int], parts: list[Builder]) -> None:
        super().__init__(image_shape)
        if not parts:
            raise ValueError("`parts` must name at least one front end, found none; Identity changes nothing.")
        self.parts = nn.ModuleList(
            build_part("parts", part, {"image_shape": self.image_shape}, FrontEnd) for part in parts
        )
        drawing = [part for part in self._parts if part.randomised]
        self.randomised = bool(drawing)
        self.draws_each_image = all(part.draws_each_image for part in drawing)
        self._learning = [index for index, part in enumerate(self._parts) if not part.learned]
        self._most_steps: float = math.inf
        self.learned.fill_(not self._learning)

    @abstractmethod
    def _join(self, maps: list[ImageMap]) -> ImageMap:
        """The map that the combination is of these, one a part."""

    @abstractmethod
    def _shown_to(self, index: int, images: Tensor) -> Tensor:
        """What the part of that number learns from, of clean images."""

    @property
    def _parts(self) -> list[FrontEnd]:
        return list(self.parts)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Hand (B, C, H, W) images through the parts."""
        return self._join(list(self._parts))(images)

    def backward_modes(self) -> dict[str, Callable[..., ImageMap]]:
        """`parts`, and `exact` and `identity` where they exist."""
        modes: dict[str, Callable[..., ImageMap]] = {"parts": self._by_parts}
        if all("exact" in part.backward_modes() for part in self._parts):
            modes["exact"] = self._exact_parts
        if self.returns_images:
            modes["identity"] = self._identity
        return modes

    def _by_parts(self) -> ImageMap:
        return self._join([part.stand_in(part.default_backward) for part in self._parts])

    def _exact_parts(self) -> ImageMap:
        return self._join([part.stand_in("exact") for part in self._parts])

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
        for part in self._parts:
            if isinstance(part, Combination):
                part.n_learning_steps = most

    def _steps(self, part: FrontEnd) -> int:
        # A combination bounds each of its own parts.
        return int(
            part.n_learning_steps if isinstance(part, Combination) else min(part.n_learning_steps, self._most_steps)
        )

    def _next(self) -> int:
        """The first part that has not learned."""
        return next(index for index in self._learning if not self._parts[index].learned)

    @property
    def learns_from_original(self) -> bool:  # type: ignore[override]
        """Whether the part whose turn it is does."""
        return not self.learned and self._parts[self._next()].learns_from_original

    def learn_from(self, images: Tensor) -> dict[str, float]:
        """Let the first part that has not learned do so."""
        index = self._next()
        part = self._parts[index]
        seen = images if part.learns_from_original else self._shown_to(index, images)
        part.trainer = self._trainer  # for its sums over processes, of which the end may need some too
        try:
            metrics = part.learn_from(seen)
            part.learning_step += 1
            if part.learning_step >= self._steps(part):
                part.end_learning()
        finally:
            part.trainer = None
        name = type(part).__name__
        return {f"{index}_{name}/{key}": value for key, value in metrics.items()}
