"""What is known of one attack that was run."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

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
    def read(cls, entry: Mapping[str, Any]) -> "AttackRecord":
        """From an entry of `attacks` in `results/<stage>_attacks.json`.

        Raises:
            ValueError: the entry has no name.
        """
        if "name" not in entry:
            raise ValueError(f"`attacks` must have a name in each entry, found {dict(entry)}; evaluate again.")
        attack, view, attacked = entry.get("attack") or {}, entry.get("view") or {}, entry.get("attacked")
        passes = (entry[key] / attacked if attacked else None for key in ("forwards", "backwards"))
        return cls(
            name=str(entry["name"]),
            knowledge=str(entry.get("knowledge", "unknown")),
            attack=str(attack.get("class_path", "")),
            settings=attack.get("init_args") or {},
            view=str(view.get("class_path", "")),
            view_settings=view.get("init_args") or {},
            seconds=entry.get("seconds"),
            error=entry.get("error"),
            in_worst_case=bool(entry.get("in_worst_case", True)),
            **dict(zip(("forwards", "backwards"), passes, strict=True)),
        )

    @property
    def adversary(self) -> str:
        """Knowledge and backward mode in words, e.g. "white box, smooth"."""
        inner = self.view_settings.get("view")  # of a neighbourhood
        settings = inner["init_args"] if isinstance(inner, Mapping) else self.view_settings
        knowledge = self.knowledge.replace("_", " ")
        if self.knowledge != "white_box":
            return knowledge
        return ", ".join(word for word in (knowledge, settings.get("backward"), "averaged" if inner else "") if word)

    @property
    def ball(self) -> tuple[str, float] | None:
        """Norm and radius of the ball around each image that it keeps to; None if it has none, or a relative one."""
        norm, eps = self.settings.get("norm"), self.settings.get("eps")
        if norm is None or eps is None or self.settings.get("relative"):
            return None
        return str(norm), float(Fraction(eps))

    @property
    def spelled(self) -> str:
        """The attack as a call, e.g. "PGD(norm=Linf, eps=8/255, steps=40)"."""
        return _spell("", {"class_path": self.attack, "init_args": self.settings})


def _spell(key: str, value: Any) -> str:
    if isinstance(value, Mapping):  # an attack inside another
        return f"{value['class_path']}({', '.join(f'{k}={_spell(k, v)}' for k, v in value['init_args'].items())})"
    return size_in_words(value) if key in ("eps", "step_size") and isinstance(value, float) else str(value)


def size_in_words(size: float) -> str:
    """A size in [0, 1] pixel units, e.g. 0.1; multiples of 1/255 and 0.5/255 up to 64/255 as such, e.g. 8/255."""
    levels, plain = size * 255, f"{size:g}"
    if len(plain) > len("0.15") and 0 < levels <= 64 and abs(2 * levels - round(2 * levels)) < 1e-3:
        return f"{round(2 * levels) / 2:g}/255"
    return plain
