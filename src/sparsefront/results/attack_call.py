"""An attack and its sizes as text."""

from collections.abc import Mapping
from typing import Any

SIZES = ("alpha", "eps", "radius", "size", "step_size")  # settings in pixel units


def attack_call(attack: str, settings: Mapping[str, Any]) -> str:
    """An attack as a call, e.g. "PGD(norm=Linf, eps=8/255, steps=40)".

    Args:
        attack: name of its class.
        settings: its constructor's arguments; a part is given as `class_path` and `init_args`.
    """
    return _spelled("", {"class_path": attack, "init_args": settings})


def size_in_words(size: float) -> str:
    """A size in [0, 1] pixel units, e.g. 0.1; multiples of 1/255 and 0.5/255 up to 64/255 as such, e.g. 8/255."""
    levels, plain = size * 255, f"{size:g}"
    if len(plain) > len("0.15") and 0 < levels <= 64 and abs(2 * levels - round(2 * levels)) < 1e-3:
        return f"{round(2 * levels) / 2:g}/255"
    return plain


def _spelled(key: str, value: Any) -> str:
    if isinstance(value, Mapping):  # an attack inside another, or plain settings
        settings = value.get("init_args", value)
        settings = settings if isinstance(settings, Mapping) else {}
        return f"{value.get('class_path', '')}({', '.join(f'{k}={_spelled(k, v)}' for k, v in settings.items())})"
    if key == "sizes" and isinstance(value, list | tuple):
        return f"[{', '.join(_spelled('size', size) for size in value)}]"
    return size_in_words(value) if key in SIZES and isinstance(value, float) else str(value)
