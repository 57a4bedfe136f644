"""A progress bar for what may take long."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from pytorch_lightning.utilities import rank_zero_only
from tqdm import tqdm

Step = TypeVar("Step")


def progress(steps: Iterable[Step], doing: str, total: int) -> Iterator[Step]:
    """Go through steps under a bar that shows after a second and on the first process alone.

    Args:
        steps: what to go through.
        doing: what the bar says.
        total: number of steps.

    Returns:
        The steps.
    """
    return iter(
        tqdm(steps, desc=doing, total=total, delay=1, leave=False, disable=getattr(rank_zero_only, "rank", 0) != 0)
    )
