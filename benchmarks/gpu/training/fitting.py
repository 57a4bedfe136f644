"""Epochs of training."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.gpu.timing import wait_for
from benchmarks.gpu.training.augmented import PADDING
from benchmarks.gpu.training.training_step import TrainingStep


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: from 1.
        loss: the mean over its steps.
        seconds: that it took.
        images: that it was over.
    """

    number: int
    loss: float
    seconds: float
    images: int


def epochs(step: TrainingStep, first: int, last: int, peak: float) -> Iterator[Epoch]:
    """Train from epoch `first` to `last`, both counted from 1; the rate rises linearly to `peak` and falls to 0.

    What is drawn follows from the epoch's number, so that training may be left and taken up between epochs. The rate is
    that of `sparsefront.training.schedules.OneCycle` over all `last` epochs.

    Raises:
        FloatingPointError: the loss is no number any more.
    """
    number, size = len(step.data.labels), len(step.rows)
    steps = number // size
    rate = one_cycle(peak, steps * last)
    for epoch in range(first, last + 1):
        wait_for(step.total.device)
        start = time.perf_counter()
        step.total.zero_()
        rows, offsets, flips = draws(number, epoch, step.total.device)
        torch.manual_seed(epoch)  # of what the objective draws
        for place in range(steps):
            batch = slice(place * size, (place + 1) * size)
            step(rows[batch], offsets[batch], flips[batch], rate((epoch - 1) * steps + place))
        loss = step.total.item() / steps
        if loss != loss:
            raise FloatingPointError(f"the loss was no number in epoch {epoch}: lower the peak rate of {peak}")
        yield Epoch(epoch, loss, time.perf_counter() - start, steps * size)


def draws(number: int, epoch: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """An order (N,) of the images, first rows and columns of their crops (N, 2) and whether they are flipped (N,)."""
    generator = torch.Generator(device).manual_seed(epoch)
    order = torch.randperm(number, generator=generator, device=device)
    offsets = torch.randint(0, 2 * PADDING + 1, (number, 2), generator=generator, device=device)
    return order, offsets, torch.rand(number, generator=generator, device=device) < 0.5


def one_cycle(peak: float, steps: int) -> Callable[[int], float]:
    """The rate at each step: linear from 0 to `peak` halfway and back to 0."""
    half = steps / 2
    return lambda step: peak * max(0.0, min(step / half, (steps - step) / half))
