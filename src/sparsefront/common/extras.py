"""Packages that only some work needs, and that come with an extra of the installation."""

from collections.abc import Iterator
from contextlib import contextmanager


class MissingExtraError(ImportError):
    """A package is missing that an extra of the installation brings."""


@contextmanager
def from_extra(extra: str, what: str) -> Iterator[None]:
    """Import in this context what only an extra brings.

    Args:
        extra: its name, e.g. `report`.
        what: what needs it, the subject of the sentence.

    Raises:
        MissingExtraError: a package is not installed; the sentence names the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{what} must have the package {error.name} installed, found none; install it with "
            f"`pip install 'sparsefront[{extra}]'`."
        ) from error
