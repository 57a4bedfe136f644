"""Names that are written like another."""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Up to `n` other names that are written like a word, the likest first, whatever their case and what joins words.

    Args:
        word: as it was written.
        known: the names there are; the word itself among them is left out.
        n: names at the most.
    """
    names: dict[str, list[str]] = {}
    for name in known:
        if name != word:
            names.setdefault(_letters(name), []).append(name)
    alike = difflib.get_close_matches(_letters(word), names, n=n, cutoff=0.6)
    return [name for letters in alike for name in names[letters]][:n]


def _letters(name: str) -> str:
    """The letters and digits alone, of any alphabet."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
