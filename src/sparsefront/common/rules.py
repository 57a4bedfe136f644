"""Settings that must hold."""

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from numbers import Integral
from typing import Any

from sparsefront.common.shown import shown

Rule = tuple[bool, str]
Setting = tuple[str, int]  # name and value


def check_rules(rules: Iterable[Rule]) -> None:
    """Raise a ValueError with the sentence of the first rule that does not hold; pairs of (it holds, its sentence)."""
    for holds, message in rules:
        if not holds:
            raise ValueError(message)


def integers(**settings: object) -> list[Rule]:
    """The rules that each of the settings named is an integer."""
    return _rules("an integer", lambda value: isinstance(value, Integral), "", settings)


def at_least(least: int, mend: str = "", /, **settings: int) -> list[Rule]:
    """The rules that each of the settings named is an integer no smaller than `least`; sentences end in `mend`."""
    return _integers(f"at least {least}", lambda value: value >= least, mend, settings)


def not_below(least: int, mend: str, /, **settings: int) -> list[Rule]:
    """The rules that each of the settings named, integers by their annotation, is `least` or more."""
    return _rules(f">= {least}", lambda value: value >= least, mend, settings)


def between(low: int | Setting, high: int | Setting, mend: str = "", /, **settings: int) -> list[Rule]:
    """The rules that each of the settings named is an integer from `low` to `high`, numbers or other settings."""
    (least, first), (most, last) = (
        (bound[1], f"`{bound[0]}` = {bound[1]}") if isinstance(bound, tuple) else (bound, str(bound))
        for bound in (low, high)
    )
    return _integers(f"from {first} to {last}", lambda value: least <= value <= most, mend, settings)


def fitting(image_shape: tuple[int, int, int], least: int = 1, /, **sizes: int) -> list[Rule]:
    """The rules that each of the sizes named is an integer from `least` to the image's smaller side."""
    side = min(image_shape[1:])
    rule, mend = f"from {least} to the image's smaller side {side}", "lower it, or raise `image_size`"
    return _integers(rule, lambda value: least <= value <= side, mend, sizes)


def fits_and_covers(image_shape: tuple[int, int, int], patch_size: int, stride: int) -> list[Rule]:
    """The rules that patches of these sizes fit into the image and leave no pixel out."""
    mend = "pixels between patches would be lost"
    return [
        *fitting(image_shape, patch_size=patch_size),
        *between(1, ("patch_size", patch_size), mend, stride=stride),
    ]


def positive(mend: str = "", /, **settings: float) -> list[Rule]:
    """The rules that each of the settings named is a finite number above 0."""
    return _rules("positive and finite", lambda value: 0 < value < math.inf, mend, settings)


def not_negative(mend: str = "", /, **settings: float) -> list[Rule]:
    """The rules that each of the settings named is a finite number, 0 or above."""
    return _rules(">= 0 and finite", lambda value: 0 <= value < math.inf, mend, settings)


def unit_interval(mend: str = "", /, **settings: float | Fraction) -> list[Rule]:
    """The rules that each of the settings named is above 0 and at most 1."""
    return _rules("above 0 and at most 1", lambda value: 0 < value <= 1, mend, settings)


def from_0_to_1(mend: str = "", /, **settings: float) -> list[Rule]:
    """The rules that each of the settings named is 0, 1 or between them."""
    return _rules("from 0 to 1", lambda value: 0 <= value <= 1, mend, settings)


def count_or_fraction(**sizes: int | float) -> list[Rule]:
    """The rules that each of the sizes named is a number of things or, where it is a float, a fraction of them."""
    mend = "write an integer for a number of images, e.g. 500, or a float for a fraction, e.g. 0.1"
    return _rules(
        "a count >= 0 or a fraction in [0, 1]",
        lambda size: 0 <= size <= 1 if isinstance(size, float) else size >= 0,
        mend,
        sizes,
    )


def between_0_and_1(mend: str = "", /, **settings: float) -> list[Rule]:
    """The rules that each of the settings named is above 0 and below 1."""
    return _rules("above 0 and below 1", lambda value: 0 < value < 1, mend, settings)


def from_0_to_below_1(mend: str = "", /, **settings: float) -> list[Rule]:
    """The rules that each of the settings named is 0 or above, and below 1."""
    return _rules("from 0 to below 1", lambda value: 0 <= value < 1, mend, settings)


def one_of(known: Iterable[str], /, **settings: object) -> list[Rule]:
    """The rules that each of the settings named is one of the words known."""
    words = tuple(known)
    return _rules(f"one of {', '.join(words)}", lambda value: value in words, "", settings)


def settings_of(owner: object, *names: str) -> dict[str, Any]:
    """Attributes by name, for the rules above."""
    return {name: getattr(owner, name) for name in names}


def _integers(rule: str, holds: Callable[[Any], bool], mend: str, settings: Mapping[str, object]) -> list[Rule]:
    whole = _rules(rule, lambda value: isinstance(value, Integral) and holds(value), mend, settings)
    return [*integers(**settings), *whole]


def _rules(rule: str, holds: Callable[[Any], bool], mend: str, settings: Mapping[str, object]) -> list[Rule]:
    end = f"; {mend}." if mend else "."
    return [(holds(value), f"`{name}` must be {rule}, found {shown(value)}{end}") for name, value in settings.items()]


def fraction(value: float | str | Fraction, name: str) -> Fraction:
    """Read a setting such as 0.28 or "7/25", exactly as it is written: both of them are 7/25.

    Raises:
        ValueError: it is neither, or not finite.
    """
    try:
        found = Fraction(str(value))
        float(found)  # a number too large for that is as good as infinite
    except (ValueError, ArithmeticError):
        raise ValueError(f"`{name}` must be a finite number or a fraction such as 8/255, found {value!r}.") from None
    return found
