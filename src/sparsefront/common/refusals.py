"""Which class refused what it was given: the error carries it, so that its sentence can begin with it."""

from collections.abc import Iterator
from contextlib import contextmanager

_CARRIED = "_refused_by"


@contextmanager
def refusals_by(kind: type) -> Iterator[None]:
    """Errors about a value or a file that are raised in this context carry `kind`.

    Where contexts lie in each other, as a part is built inside another, the innermost class stays.

    Args:
        kind: the class at work.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        vars(error).setdefault(_CARRIED, kind)
        raise


def part_that_refused(error: BaseException) -> type | None:
    """The class whose context of `refusals_by` an error was raised in, None if it was raised in none."""
    found: type | None = vars(error).get(_CARRIED)
    return found
