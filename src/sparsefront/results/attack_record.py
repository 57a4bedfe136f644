"""What is known of one attack that was run."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparsefront.results.entry import LARGEST, Entry

#: One line each on what an adversary of that kind knows.
KNOWLEDGE = {
    "white_box": "knows the classifier and the front end, and differentiates through both; where the front end has no "
    "useful derivative, its backward mode says what stands in for it.",
    "gray_box": "knows the classifier but not the front end; what it makes for the bare classifier then meets the "
    "whole defense.",
    "black_box": "sees the system's answers alone and asks for many; it differentiates nothing.",
    "control": "is no adversary: noise or filtering of the same size, which a robust system should hardly feel.",
    "transfer": "does not look into this system at all; what it makes for another model then meets the whole defense.",
}

NORMS = ("Linf", "L2", "L1")
SURROGATES = ("GrayBox", "Transfer", "FittedSurrogate")  # views that ask another model


@dataclass(frozen=True)
class AttackRecord:
    """Name, knowledge, settings, cost and fate of one attack.

    Attributes:
        name: the attack's name in YAML.
        knowledge: "white_box", "gray_box", "black_box", "transfer" or "control".
        attack: class name of the attack.
        settings: its constructor's arguments.
        view: class name of the view.
        view_settings: the view's constructor's arguments.
        seconds: time the attack took, or None.
        forwards: images that went through the model for each sample attacked, or None.
        backwards: images whose gradient was computed for each sample attacked, or None.
        error: what stopped it, or None if it ran to its end.
        in_worst_case: whether a sample that falls to it counts as fallen: not to a control, nor at any size whatever.
    """

    name: str
    knowledge: str
    attack: str
    settings: Mapping[str, Any]
    view: str
    view_settings: Mapping[str, Any]
    seconds: float | None
    error: str | None
    forwards: float | None = None
    backwards: float | None = None
    in_worst_case: bool = True

    @classmethod
    def read(cls, entry: Entry) -> "AttackRecord":
        """From an entry of `attacks` in `results/<stage>_attacks.json`.

        Raises:
            ValueError: the entry has no name, or a value of another kind.
        """
        if not entry.mapping().get("name"):
            raise ValueError(
                f"{entry.path}: `attacks` must have a name in each entry, found none in `{entry.key}`; {entry.mend}."
            )
        attack, settings = _class(entry, "attack")
        view, view_settings = _class(entry, "view")
        numbers = {key: _number(entry, key) for key in ("seconds", "attacked", "forwards", "backwards")}
        attacked = numbers.pop("attacked")
        for key in ("forwards", "backwards"):
            total = numbers[key]
            numbers[key] = total / attacked if attacked and total is not None else None
        enters = entry.get("in_worst_case")
        error = entry.get("error")
        knowledge = entry.get("knowledge")
        return cls(
            name=entry.at("name").text(),
            knowledge="unknown" if knowledge is None else knowledge.text(),
            attack=attack,
            settings=settings,
            view=view,
            view_settings=view_settings,
            error=None if error is None else error.text(),
            in_worst_case=enters is None or enters.flag(),
            **numbers,
        )

    @property
    def adversary(self) -> str:
        """Knowledge and backward mode in words, e.g. "white box, smooth"."""
        inner = self.view_settings.get("view")  # of a neighbourhood
        settings = (inner.get("init_args") or {}) if isinstance(inner, Mapping) else self.view_settings
        knowledge = self.knowledge.replace("_", " ")
        if self.knowledge != "white_box":
            return knowledge
        backward = settings.get("backward") if isinstance(settings, Mapping) else None
        words = (knowledge, backward, "averaged" if inner else "")
        return ", ".join(str(word) for word in words if word)

    @property
    def ball(self) -> tuple[str, float] | None:
        """Norm and radius of the ball around each image that it keeps to; None if it has none, or a relative one."""
        norm, eps = self.settings.get("norm"), _size(self.settings.get("eps"))
        if norm not in NORMS or eps is None or self.settings.get("relative"):
            return None
        return str(norm), eps

    @property
    def asks_only(self) -> bool:
        """Whether it asks the deployed model for answers alone, or has a part that does, so no gradient misleads it."""
        if self.view in SURROGATES:
            return False
        ensemble = self.attack == "AutoAttack" and self.settings.get("version", "standard") != "rand"  # Square is in it
        return ensemble or self.knowledge == "black_box"

    def may_stay_inside(self, ball: tuple[str, float]) -> bool:
        """Whether it keeps to that ball, or looks for the smallest perturbation in its norm."""
        if self.in_worst_case:
            return self.ball == ball
        return self.settings.get("norm", "L2") == ball[0] and self.settings.get("eps") is None

    @property
    def spelled(self) -> str:
        """The attack as a call, e.g. "PGD(norm=Linf, eps=8/255, steps=40)"."""
        return _spell("", {"class_path": self.attack, "init_args": self.settings})


def _spell(key: str, value: Any) -> str:
    if isinstance(value, Mapping):  # an attack inside another, or plain settings
        settings = value.get("init_args", value)
        settings = settings if isinstance(settings, Mapping) else {}
        return f"{value.get('class_path', '')}({', '.join(f'{k}={_spell(k, v)}' for k, v in settings.items())})"
    return size_in_words(value) if key in ("eps", "step_size") and isinstance(value, float) else str(value)


def _class(entry: Entry, key: str) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a class; empty where none is named."""
    named = entry.get(key)
    if named is None:
        return "", {}
    path, settings = named.get("class_path"), named.get("init_args")
    return "" if path is None else path.text(), {} if settings is None else settings.mapping()


def _number(entry: Entry, key: str) -> float | None:
    found = entry.get(key)
    return None if found is None else found.number(0)


def _size(value: Any) -> float | None:
    """A finite size, of a number or of a fraction such as 8/255; None where it is none."""
    if isinstance(value, str):
        parts = re.fullmatch(
            r"\s*(\d{1,9}(?:\.\d{0,18})?(?:e[+-]?\d{1,2})?)(?:/(\d{1,9}(?:\.\d{0,18})?))?\s*", value, re.IGNORECASE
        )
        below = float((parts[2] if parts else None) or 1)
        value = float(parts[1]) / below if parts and below else None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 <= value < LARGEST and math.isfinite(value) else None


def size_in_words(size: float) -> str:
    """A size in [0, 1] pixel units, e.g. 0.1; multiples of 1/255 and 0.5/255 up to 64/255 as such, e.g. 8/255."""
    levels, plain = size * 255, f"{size:g}"
    if len(plain) > len("0.15") and 0 < levels <= 64 and abs(2 * levels - round(2 * levels)) < 1e-3:
        return f"{round(2 * levels) / 2:g}/255"
    return plain
