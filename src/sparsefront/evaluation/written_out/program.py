"""Instructions in their order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sparsefront.evaluation.written_out.instruction import Instruction


@dataclass(frozen=True)
class Line:
    """An instruction with the places of its inputs and its output among a run's values, and which these it frees."""

    instruction: Instruction
    inputs: tuple[int, ...]
    output: int
    frees: tuple[int, ...] = ()


class Program:
    """A network as a list of instructions: images (B, C, H, W), in place 0, -> its last line's output.

    Args:
        lines: each reads what lines before it wrote.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = list(lines)

    def run(self, images: Tensor, keep: bool) -> tuple[Tensor, list[Any]]:
        """The output, and what `back` needs of each line if it is to be kept."""
        values: dict[int, Any] = {0: images}
        tape: list[Any] = []
        for line in self.lines:
            output, kept = line.instruction.forward([values[place] for place in line.inputs], keep)
            values[line.output] = output
            if keep:
                tape.append(kept)
            for place in line.frees:
                del values[place]
        result: Tensor = values[self.lines[-1].output]
        return result, tape

    def back(self, gradient: Tensor, tape: Sequence[Any]) -> Tensor | None:
        """The gradient in the images, of one in the output; None where none leads there."""
        gradients = {self.lines[-1].output: (gradient, False)}
        for line, kept in zip(reversed(self.lines), reversed(tape), strict=True):
            if line.output not in gradients or kept is None:
                continue
            here, own = gradients.pop(line.output)
            instruction = line.instruction
            own = instruction.owns_gradients or (own and instruction.hands_on)
            for place, found in zip(line.inputs, instruction.backward(here, kept), strict=True):
                if found is not None:
                    gradients[place] = _summed(gradients.get(place), (found, own))
        return gradients[0][0] if 0 in gradients else None


def _summed(before: tuple[Tensor, bool] | None, more: tuple[Tensor, bool]) -> tuple[Tensor, bool]:
    """Gradients, each with whether it may be written into, added."""
    if before is None:
        return more
    if more[1]:
        return more[0].add_(before[0]), True
    if before[1]:
        return before[0].add_(more[0]), True
    return before[0] + more[0], True
