"""A part of a results file that knows where it stands."""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from sparsefront.results.plain import plain

LARGEST = 1e15  # of a number in a results file: beyond it, neither a count nor a size is one


@dataclass(frozen=True)
class Entry:
    """A value of a JSON file, with the file and the key that a refusal names.

    Attributes:
        value: as it was read.
        path: of the file.
        mend: what to do about a file that is no such one, the end of a sentence.
        key: e.g. `attacks[0].name`; empty for the whole file.
    """

    value: Any
    path: Path
    mend: str
    key: str = ""

    def refuse(self, rule: str) -> NoReturn:
        """Raise a ValueError: file, key, rule, what was found, and the mend."""
        where = f" under `{self.key}`" if self.key else ""
        shown = plain(reprlib.repr(self.value))
        raise ValueError(f"{self.path} must have {rule}{where}, found {shown}; {self.mend}.")

    def at(self, key: str) -> "Entry":
        """The value under a key, which must be there."""
        if key not in self.mapping():
            shown = f"{self.key}.{key}" if self.key else key
            raise ValueError(f"{self.path} must have the keys ['{shown}'], found none; {self.mend}.")
        return self._part(key)

    def get(self, key: str) -> "Entry | None":
        """The value under a key; None where there is none, or null."""
        return self._part(key) if self.mapping().get(key) is not None else None

    def text_of(self, key: str) -> str | None:
        """The text under a key; None where there is none, or null."""
        value = self.get(key)
        return None if value is None else value.text()

    def number_of(self, key: str, least: float) -> float | None:
        """The number of at least `least` under a key; None where there is none, or null."""
        value = self.get(key)
        return None if value is None else value.number(least)

    def _part(self, key: str) -> "Entry":
        return Entry(self.value[key], self.path, self.mend, f"{self.key}.{key}" if self.key else key)

    def mapping(self) -> dict[str, Any]:
        """The value, which must be an object."""
        return self.value if isinstance(self.value, dict) else self.refuse("an object")

    def parts(self) -> "list[Entry]":
        """The values of a list, which this value must be."""
        if not isinstance(self.value, list):
            self.refuse("a list")
        return [Entry(one, self.path, self.mend, f"{self.key}[{place}]") for place, one in enumerate(self.value)]

    def text(self) -> str:
        """The value, which must be a text that is not empty."""
        return self.value if isinstance(self.value, str) and self.value else self.refuse("a text")

    def flag(self) -> bool:
        """The value, which must be true or false."""
        return self.value if isinstance(self.value, bool) else self.refuse("true or false")

    def number(self, least: float = -LARGEST, most: float = LARGEST) -> float:
        """The value, which must be a finite number from `least` to `most`."""
        is_number = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        if not is_number or not least <= self.value <= most:  # nor NaN
            self.refuse(f"a number{'' if least == -LARGEST else f' of at least {least:g}'}")
        return float(self.value)

    def count(self, least: int = 0) -> int:
        """The value, which must be a whole number of at least `least`."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not least <= self.value <= LARGEST:
            self.refuse(f"a whole number of at least {least}")
        return int(self.value)


def cleaned(value: Any, entry: Entry, depth: int = 24) -> Any:
    """`value` with every text in one line that can be shown (`plain`), its keys too.

    Args:
        value: from JSON.
        entry: of the file, to refuse with.
        depth: how deep its objects and lists may lie in each other.

    Raises:
        ValueError: it is deeper, or two keys of an object are the same once they can be shown.
    """
    if isinstance(value, str):
        return plain(value)
    if not isinstance(value, Mapping | list):
        return value
    if not depth:
        raise ValueError(f"{entry.path} must not nest its objects that deep, found more than 24 levels; {entry.mend}.")
    if isinstance(value, list):
        return [cleaned(one, entry, depth - 1) for one in value]
    shown = {plain(str(key)): cleaned(one, entry, depth - 1) for key, one in value.items()}
    if len(shown) < len(value):
        raise ValueError(f"{entry.path} must have keys that differ in what can be seen, found others; {entry.mend}.")
    return shown
