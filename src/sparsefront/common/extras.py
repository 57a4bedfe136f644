"""Packages that only some work needs, and that come with an extra of the installation."""

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

REPORT = ("matplotlib", "jinja2")
"""What the extra `report` brings."""
WANDB = ("wandb", "matplotlib")
"""What the extra `wandb` brings."""


class MissingExtraError(ImportError, ValueError):
    """A package is missing that an extra of the installation brings, for work that was asked for."""


@contextmanager
def from_extra(extra: str, what: str) -> Iterator[None]:
    """Import in this context what only an extra brings.

    Args:
        extra: its name, e.g. `demo`.
        what: what needs it, the subject of the sentence.

    Raises:
        MissingExtraError: a package is not installed; the sentence names the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise _missing(extra, what, error.name) from error


def check_report_extra(what: str) -> None:
    """See that a report can be drawn, before the work that ends in it.

    Args:
        what: what needs it, the subject of the sentence.

    Raises:
        MissingExtraError: a package of the extra `report` is not installed.
    """
    _check("report", REPORT, what)


def check_wandb_extra(what: str) -> None:
    """See that W&B can be logged to, before its logger is built.

    Args:
        what: what needs it, the subject of the sentence.

    Raises:
        MissingExtraError: a package of the extra `wandb` is not installed.
    """
    _check("wandb", WANDB, what)


def _check(extra: str, packages: Sequence[str], what: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise _missing(extra, what, package)


def _missing(extra: str, what: str, package: str | None) -> MissingExtraError:
    return MissingExtraError(
        f"{what} must have the package {package} installed, found none; install it with "
        f"`pip install 'sparsefront[{extra}]'`."
    )
