"""How large a ball may be."""

import math
from typing import Any

from sparsefront.common.rules import Rule


def radius_rules(norm: str, relative: bool = False, /, **radii: float) -> list[Rule]:
    """The rules that each of the radii named can be a ball's: in Linf, no two images in [0, 1] are farther than 1."""
    mend = "pixels lie in [0, 1], so write 8/255 for 8 grey levels of 256"
    return [
        (
            norm != "Linf" or relative or radius <= 1,
            f"`{name}` must be at most 1 with norm Linf, found {radius:g}; {mend}.",
        )
        for name, radius in radii.items()
    ]


def check_reach(attack: Any, image_shape: tuple[int, ...]) -> None:
    """Refuse a ball that holds every image there is, so that its size bounds nothing.

    Pixels lie in [0, 1], so that no two images are farther apart than black and white: 1 in Linf, the root of the
    number of pixels in L2, their number in L1. A ball of another norm, or relative to an
    image's own, is not looked at.

    Args:
        attack: its `budget` says the ball.
        image_shape: (C, H, W).

    Raises:
        ValueError: a radius beyond that.
    """
    budget = attack.budget
    if budget is None or budget.relative:
        return
    pixels = math.prod(image_shape)
    most = {"Linf": 1.0, "L2": math.sqrt(pixels), "L1": float(pixels)}.get(budget.norm, math.inf)
    if budget.size > most * (1 + 1e-9):
        name = "`eps`" if hasattr(attack, "eps") else f"the size of {type(attack).__name__}'s ball"
        raise ValueError(
            f"{name} must be at most {most:.6g} in {budget.norm}, the distance from a black image to a white one of "
            f"shape {tuple(image_shape)}, found {budget.size:g}; pixels lie in [0, 1]: write "
            f"{budget.size:g}/255 for grey levels of 256."
        )
