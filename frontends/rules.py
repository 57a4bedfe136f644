"""Settings that must hold."""

from collections.abc import Iterable


def check_rules(rules: Iterable[tuple[bool, str]]) -> None:
    """Raise a ValueError with the sentence of the first rule that does not hold; pairs of (it holds, its sentence)."""
    for holds, message in rules:
        if not holds:
            raise ValueError(message)
