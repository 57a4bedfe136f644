"""A progress bar for what may take long."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from pytorch_lightning.utilities import rank_zero_only

from sparsefront.common.long_work import LongWork
from sparsefront.common.stopping import poll

Step = TypeVar("Step")
DELAY = 1.0  # seconds


def progress(steps: Iterable[Step], doing: str, total: int) -> Iterator[Step]:
    """Go through steps under a bar that shows after a second and on the first process alone.

    Args:
        steps: what to go through.
        doing: what the bar says.
        total: number of steps.

    Returns:
        The steps.
    """
    first = getattr(rank_zero_only, "rank", 0) == 0
    work: LongWork | None = None
    start = time.monotonic()
    try:
        for number, step in enumerate(steps):
            poll()
            if work is None and time.monotonic() - start > DELAY:
                work = LongWork(doing, first)
            if work is not None:
                elapsed = time.monotonic() - start
                work.show(number / max(total, 1), f"{number} of {total}", elapsed * (total - number) / max(number, 1))
            yield step
    finally:
        if work is not None:
            work.close()
