"""Text from a file, fit to be shown."""

import re
import unicodedata

#: Categories that nobody sees but that change what is seen: controls (escape codes), format characters (overrides of
#: the direction of writing, characters of no width), surrogates, separators of lines, and what is no character at all.
UNSEEN = ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp")


def plain(text: str) -> str:
    r"""One line of `text`: white space as single blanks, and what cannot be seen as its number, e.g. `\x1b`.

    So a name cannot colour a terminal, move its cursor, or turn the direction in which the rest is written, and two
    names that differ still do.
    """
    line = re.sub(r"\s+", " ", re.sub(r"[\x1c-\x1f\x85]", _number, text)).strip()
    return "".join(_number(letter) if unicodedata.category(letter) in UNSEEN else letter for letter in line)


def plain_lines(text: str) -> str:
    """Each line of `text` with what cannot be seen as its number; white space other than tabs stays as it is."""
    lines = text.expandtabs(4).split("\n")
    return "\n".join(
        "".join(_number(letter) if unicodedata.category(letter) in UNSEEN else letter for letter in line.rstrip("\r"))
        for line in lines
    )


def _number(letter: str | re.Match[str]) -> str:
    code = ord(letter if isinstance(letter, str) else letter[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
