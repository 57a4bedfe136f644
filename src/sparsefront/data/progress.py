"""A progress bar for what may take long."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from pytorch_lightning.utilities import rank_zero_only
from tqdm import tqdm

from sparsefront.stopping import poll

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
    hidden = getattr(rank_zero_only, "rank", 0) != 0
    for step in tqdm(steps, desc=doing, total=total, delay=1, leave=False, disable=hidden):
        poll()
        yield step
