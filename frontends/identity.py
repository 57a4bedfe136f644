"""No defense."""

from typing import Any, ClassVar

from torch import Tensor

from sparsefront.common.changes.step import Step
from sparsefront.frontends.base import FrontEnd, ImageMap


class Identity(FrontEnd):
    """Hands the images on as they are: the undefended baseline that every table needs."""

    @property
    def hands_images_on(self) -> bool:  # type: ignore[override]
        """Whether `forward` is this class's."""
        return type(self).forward is Identity.forward

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, C, H, W) `images` unchanged."""
        return images

    def change_steps(self) -> list[Step] | None:
        """None at all, where `forward` is this class's."""
        return [] if self.hands_images_on else None

    modes: ClassVar[frozenset[str]] = frozenset(
        ("exact", "identity", "implicit", "parts", "potential", "projection", "smooth", "unrolled")
    )
    """The backward modes of all front ends of the project."""

    def stand_in(self, backward: str, **settings: Any) -> ImageMap:
        """Return the identity for every mode: where nothing is in the way, all of them have this derivative.

        So a defense's attacks run on the undefended model as they are.

        Raises:
            ValueError: a mode that no front end of the project has.
        """
        if backward not in self.modes:
            raise ValueError(
                f"`backward` of Identity must be one of {', '.join(sorted(self.modes))}, which front ends of the "
                f"project have, found {backward!r}; leave it out, nothing is in the way of its exact gradient."
            )
        return self.forward
