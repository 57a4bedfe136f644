"""The contract of an instruction."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor


class Instruction(ABC):
    """One map of a network, and how a gradient goes back through it. Parameters get none.

    Attributes:
        owns_output: whether the output lies in memory of its own, which nothing kept reads: it may be written into by
            the only one that reads it.
        owns_gradients: likewise of the gradients that it hands back.
        hands_on: whether it hands the one gradient that it is given back to its one input.
    """

    owns_output: ClassVar[bool] = False
    owns_gradients: bool = False
    hands_on: bool = False

    @abstractmethod
    def forward(self, inputs: list[Any], keep: bool) -> tuple[Any, Any]:
        """The output, and what `backward` needs of this call if it is to be kept, None where nothing leads back."""

    @abstractmethod
    def backward(self, gradient: Tensor, kept: Any) -> tuple[Tensor | None, ...]:
        """The gradients in the inputs, of one in the output; what was kept may be asked again."""
