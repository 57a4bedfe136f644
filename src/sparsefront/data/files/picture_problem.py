"""What is wrong with several picture files."""

from collections.abc import Sequence
from typing import NamedTuple

from sparsefront.data.files.picture_error import PictureError, shown

NAMED = 10


class PictureProblem(NamedTuple):
    """A file and what is wrong with it.

    Attributes:
        path: the file.
        sentence: says it.
    """

    path: str
    sentence: str


def refuse(problems: Sequence[PictureProblem], total: int) -> None:
    """Raise one error for all files in which something is wrong, if there are any.

    Args:
        problems: of each such file.
        total: how many files were looked at.

    Raises:
        PictureError: what is wrong with the first, how many there are, and the names of the first ten.
    """
    if not problems:
        return
    first, *others = problems
    if not others:
        raise PictureError(first.sentence)
    names = ", ".join(shown(problem.path) for problem in others[: NAMED - 1])
    more = f" and {len(problems) - NAMED:,} more" if len(problems) > NAMED else ""
    raise PictureError(
        f"{first.sentence} There are {len(problems)} such files among {total}, the others are {names}{more}."
    )
