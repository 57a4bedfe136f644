"""Seconds of a call on a device."""

import statistics
import time
from collections.abc import Callable

import torch

ROUNDS = 5
PATIENCE = 4.0  # seconds, after which no further round begins


def seconds_of(call: Callable[[], object], device: torch.device, rounds: int = ROUNDS) -> float:
    """The median of a few calls, after one that warms up; every call is waited for."""
    found: list[float] = []
    call()
    while len(found) < rounds and sum(found) < PATIENCE:
        wait_for(device)
        start = time.perf_counter()
        call()
        wait_for(device)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def wait_for(device: torch.device) -> None:
    """Until a device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
