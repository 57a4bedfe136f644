"""A chain of steps as the kernel reads it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsefront.common.changes import kinds
from sparsefront.common.changes.step import Step

_LOGGED = 0.9  # share of what is kept of a sample that a change may overwrite; beyond, the whole is computed
_AT_ONCE = 16  # samples whose maps are computed; more need memory, and are no sooner
_Kept = Any  # arrays, see `kernel.follow_changes`


class Program:
    """Steps for images of one shape, as tables of numbers, and the memory that they work in.

    Args:
        steps: one after the other.
        image: (1, C, H, W), any of that shape, for the sizes of all maps.

    Attributes:
        chain: what the kernel reads.
        size: values kept of a sample.
    """

    def __init__(self, steps: Sequence[Step], image: Tensor) -> None:
        self._steps = list(steps)
        self._dtype = image.dtype
        self._places: list[tuple[int, int]] = []  # where inputs and outputs are kept, -1 where they are not
        self.size = self._entries = self._largest = self._longest = self._widest = 0
        rows, bounds, places, weights = [], [], list[int](), [image.new_empty(0)]
        maps = image.permute(0, 2, 3, 1)
        for step in self._steps:
            made = step.whole(maps)
            numbers = step.numbers(*maps.shape[1:3])
            where = self._keep(maps, step.keeps_input), self._keep(made, step.keeps_output)
            settings = [*numbers.settings, *[0] * (kinds.N_SETTINGS - len(numbers.settings))]
            begins = sum(map(len, weights)), len(places)
            rows.append([step.kind, *maps.shape[1:], *made.shape[1:], *where, *begins, *settings])
            bounds.append([*numbers.bounds, *[0.0] * (2 - len(numbers.bounds))])
            places += numbers.places
            weights.append(numbers.weights.to(self._dtype))
            self._places.append(where)
            maps = made
        self._last_shape, self._last = maps.shape[1:], self._keep(maps, True)
        rows.append([kinds.KEPT, *maps.shape[1:], *maps.shape[1:], -1, self._last, *[0] * (2 + kinds.N_SETTINGS)])
        bounds.append([0.0, 0.0])
        self.chain = (
            np.array(rows, dtype=np.int64),
            np.array(bounds),
            np.array(places, dtype=np.int64),
            torch.cat(weights).numpy(),
        )

    @property
    def ends_in_a_vector(self) -> bool:
        """Whether the last maps have one position."""
        return self._last_shape[:2] == (1, 1)

    def _keep(self, maps: Tensor, kept: bool) -> int:
        """Where maps (1, H, W, C) begin among what is kept of a sample."""
        self._largest = max(self._largest, maps.numel())
        self._longest, self._widest = max(self._longest, maps[..., 0].numel()), max(self._widest, maps.shape[3])
        if not kept:
            return -1
        begin = self.size
        self.size += maps.numel()
        self._entries += maps[..., 0].numel()
        return begin

    def bytes_of(self, count: int) -> int:
        """What is kept of so many samples takes so much."""
        of_entries = 2 * np.dtype(np.int32).itemsize * self._entries
        return int(count * (self.size * (1 + _LOGGED) * self._dtype.itemsize + of_entries))

    def empty(self, count: int) -> tuple[Tensor, _Kept]:
        """Memory for what is kept of so many samples (B, `size`), and it beside its log as the kernel takes them."""
        state = torch.zeros(count, self.size, dtype=self._dtype)
        log = torch.empty(count, int(self.size * _LOGGED), dtype=self._dtype)
        begins, lengths = (np.empty((count, self._entries), dtype=np.int32) for _ in range(2))
        return state, (state.numpy(), begins, lengths, log.numpy(), np.zeros((count, 2), dtype=np.int64))

    def buffers(self) -> _Kept:
        """Memory for one thread."""
        places = [np.empty(self._longest, dtype=np.int64) for _ in range(2)]
        values = [torch.empty(self._largest, dtype=self._dtype).numpy() for _ in range(4)]
        marks, stamp = np.zeros(self._longest, dtype=np.int64), np.zeros(1, dtype=np.int64)
        index = np.empty(self._widest, dtype=np.int64)
        ends = [torch.empty(self._widest, dtype=self._dtype).numpy() for _ in range(2)]
        return (*places, *values, marks, stamp, index, *ends)

    def take(self, state: Tensor, samples: Tensor, images: Tensor) -> None:
        """Compute all maps of images (S, C, H, W) of these samples (S,), and keep what is kept of them."""
        for rows, some in zip(samples.split(_AT_ONCE), images.split(_AT_ONCE), strict=True):
            self._take(state, rows, some)

    def _take(self, state: Tensor, samples: Tensor, images: Tensor) -> None:
        maps = images.permute(0, 2, 3, 1)
        for step, (inputs, outputs) in zip(self._steps, self._places, strict=True):
            made = step.whole(maps)
            for begin, kept in ((inputs, maps), (outputs, made)):
                if begin >= 0:
                    state[samples, begin : begin + kept[0].numel()] = kept.flatten(1)
            maps = made
        state[samples, self._last :] = maps.flatten(1)

    def last(self, state: Tensor, samples: Tensor) -> Tensor:
        """The chain's last maps (S, C, H, W) of some samples (S,)."""
        maps: Tensor = state[:, self._last :][samples].unflatten(1, self._last_shape)
        return maps.permute(0, 3, 1, 2)
