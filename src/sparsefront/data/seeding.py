"""Random draws that depend on named numbers alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Seed torch's CPU generator inside the context and give its state back afterwards.

    The draws depend on the numbers alone (say seed, epoch and sample), so neither the batch size nor the number of
    processes or workers changes them, and they change no draw made outside.

    Args:
        *numbers: integers >= 0, mixed into one seed.

    Yields:
        Nothing.
    """
    state = torch.get_rng_state()
    # not torch.manual_seed: that would also reseed the accelerators, whose states are not given back here
    torch.default_generator.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))
    try:
        yield
    finally:
        torch.set_rng_state(state)
