"""Values within sentences."""

from fractions import Fraction

NULL = "None (null in YAML)"
"""None, as it is written in Python and in a configuration file."""


def shown(value: object) -> str:
    """A value in a sentence: as it is written, cut where it is long, its class where it is an object."""
    if isinstance(value, type) or callable(value):
        return f"{'the class ' if isinstance(value, type) else 'a '}{getattr(value, '__name__', type(value).__name__)}"
    if isinstance(value, float | Fraction):
        return f"{float(value):g}"
    if value is None:
        return NULL
    plain = isinstance(value, str | bytes | int | complex | list | tuple | set | dict)
    text = " ".join(repr(value).split()) if plain else f"an object of class {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."
