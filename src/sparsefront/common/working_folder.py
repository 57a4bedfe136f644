"""Where modules are looked for."""

import os
import sys


def look_here_last() -> None:
    """Look for modules in the working folder after all other places.

    So a class in a file beside the user is found, and a file that happens to be called as a library is does not take
    the library's place. `python -m` puts the working folder first.
    """
    here = os.getcwd()
    sys.path[:] = [place for place in sys.path if os.path.abspath(place) != here] + [here]


def look_here_last_if_run() -> None:
    """The same, where Python is about to run a module of this package and nothing has been imported yet."""
    words = sys.orig_argv[1:]
    if sys.argv[:1] == ["-m"] and any(f"{word}.".startswith("sparsefront.") for word in words):
        look_here_last()
