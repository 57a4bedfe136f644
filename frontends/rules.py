"""Settings that must hold."""

import math
from collections.abc import Iterable
from fractions import Fraction
from numbers import Integral

Rule = tuple[bool, str]


def check_rules(rules: Iterable[Rule]) -> None:
    """Raise a ValueError with the sentence of the first rule that does not hold; pairs of (it holds, its sentence)."""
    for holds, message in rules:
        if not holds:
            raise ValueError(message)


def integers(**settings: object) -> list[Rule]:
    """The rules that each of the settings named, where it is not None, is an integer."""
    return [
        (value is None or isinstance(value, Integral), f"`{name}` must be an integer, found {value!r}.")
        for name, value in settings.items()
    ]


def finite(**settings: float | None) -> list[Rule]:
    """The rules that each of the settings named, where it is not None, is a finite number."""
    return [
        (value is None or math.isfinite(value), f"`{name}` must be a finite number, found {value}.")
        for name, value in settings.items()
    ]


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


def number(value: float | str, name: str) -> float:
    """`fraction`, as a float."""
    return float(fraction(value, name))
