"""Several words in a sentence."""

from collections.abc import Iterable


def joined_words(words: Iterable[object], last: str = "and") -> str:
    """E.g. "a", "a and b", "a, b and c".

    Args:
        words: at least one.
        last: what stands before the last of several.
    """
    *before, end = map(str, words)
    return f"{', '.join(before)} {last} {end}" if before else end
