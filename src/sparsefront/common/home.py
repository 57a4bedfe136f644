"""Paths as a shell would read them."""

import os
from pathlib import Path
from typing import TypeVar

Where = TypeVar("Where", str, Path)


def at_home(path: Where) -> Where:
    """A path with the home folder in the place of a leading `~` or `~user`; any other is returned as it is.

    Raises:
        ValueError: `~` of someone who has no home folder, of which a folder called `~` would be made.
    """
    text = str(path)
    if not text.startswith("~"):
        return path
    expanded = os.path.expanduser(text)
    if expanded == text and text.split("/")[0] == "~":
        raise ValueError(f"`~` must stand for a home folder, found none for {text}; set HOME, or write the path out.")
    return type(path)(expanded)
