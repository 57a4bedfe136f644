"""Names that are written like another."""

import difflib
import re
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Other names that are written like a word, whatever its case and underscores."""
    plain = {_plain(name): name for name in known if name != word}
    return [plain[one] for one in difflib.get_close_matches(_plain(word), plain, n=n, cutoff=0.6)]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
