"""A part of a chain of maps that can follow a change."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor


class Numbers(NamedTuple):
    """What the kernel is told about a step, beside its kind and the sizes of its maps.

    Attributes:
        settings: whole numbers, at most `SETTINGS`.
        bounds: up to two real ones.
        places: whole numbers without a fixed count.
        weights: (N,) real ones.
    """

    settings: tuple[int, ...] = ()
    bounds: tuple[float, ...] = ()
    places: tuple[int, ...] = ()
    weights: Tensor = torch.empty(0)


class Step(ABC):
    """Maps (B, H, W, C) -> maps, by torch for whole maps and by the kernel for changes."""

    kind: ClassVar[int]
    """By which the kernel knows it."""
    keeps_input: ClassVar[bool] = False
    """Whether a change can only be followed beside what did not change of the input."""
    keeps_output: ClassVar[bool] = True
    """Likewise of the output."""

    @abstractmethod
    def whole(self, maps: Tensor) -> Tensor:
        """Compute it on whole maps (B, H, W, C)."""

    @abstractmethod
    def numbers(self, height: int, width: int) -> Numbers:
        """What the kernel is told for maps of this size."""
