"""Random numbers that follow from named numbers alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

_MASK = 2**64 - 1
_MODULUS = 2**61 - 1
_FIRST, _SECOND, _FIFTH = 11400714785074694791, 14029467366897019727, 2870177450012600261  # primes of xxHash
_SIGN = 2**63


def seed_of(*numbers: int) -> int:
    """Return a seed that depends on whole numbers and on their order, the same on every machine and Python.

    The numbers are mixed as the 64-bit xxHash mixes its lanes, in the variant that CPython has hashed tuples with since
    3.8. Written out here because a language's own hash may change.

    Args:
        numbers: e.g. a seed, a step and a rank; negative ones too.

    Returns:
        A whole number from -2^63 to 2^63 - 1, as `torch.Generator.manual_seed` takes it.
    """
    mixed = _FIFTH
    for number in numbers:
        mixed = (mixed + _lane(number) * _SECOND) & _MASK
        mixed = ((mixed << 31) | (mixed >> 33)) & _MASK
        mixed = (mixed * _FIRST) & _MASK
    mixed = (mixed + (len(numbers) ^ (_FIFTH ^ 3527539))) & _MASK
    if mixed == _MASK:
        return 1546275796
    return mixed - 2 * _SIGN if mixed >= _SIGN else mixed


def generator_of(*numbers: int) -> torch.Generator:
    """A generator on the CPU that draws what follows from these numbers (see `seed_of`)."""
    return torch.Generator().manual_seed(seed_of(*numbers))


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Seed torch's CPU generator inside the context and give its state back afterwards.

    For what draws from torch's own generator and takes no other. The draws depend on the numbers alone (say seed, epoch
    and sample), so neither the batch size nor the number of processes or workers changes them, and they change no draw
    made outside. NumPy's `SeedSequence` mixes the numbers.

    Args:
        numbers: integers >= 0.
    """
    state = torch.get_rng_state()
    # not torch.manual_seed: that would also reseed the accelerators, whose states are not given back here
    torch.default_generator.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))
    try:
        yield
    finally:
        torch.set_rng_state(state)


@contextmanager
def drawing(device: torch.device, seed: int) -> Iterator[None]:
    """Seed the generators that torch draws from on a device and on the CPU; afterwards they are as they were.

    Args:
        device: where the work inside the context draws.
        seed: a whole number from -2^63 to 2^64 - 1.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        if device.type == "cpu":
            # torch.manual_seed notes the whole call stack for every accelerator that was not used yet: milliseconds
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)
        yield


def _lane(number: int) -> int:
    """A whole number modulo the Mersenne prime 2^61 - 1, with its sign; -1 stands for an error there and becomes -2."""
    lane = abs(number) % _MODULUS
    lane = -lane if number < 0 else lane
    return (-2 if lane == -1 else lane) & _MASK
