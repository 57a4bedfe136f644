"""A folded classifier as a program."""

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.autograd.function import once_differentiable

from sparsefront.evaluation.written_out.convolution import Convolution
from sparsefront.evaluation.written_out.local import Local
from sparsefront.evaluation.written_out.norm import Norm
from sparsefront.evaluation.written_out.program import Program
from sparsefront.evaluation.written_out.writer import Writer

LEAST_NORMS = 0.25  # norms a convolution
MOST_LOCAL = 0.5  # share of the lines that are left to torch


class WrittenOut(nn.Module):
    """A folded classifier that a CPU differentiates in its images by a program, elsewhere by torch.

    Automatic differentiation follows a network whatever is asked of it; a program knows that the images' gradient alone
    is: it keeps signs' tensors and no others, writes into what nobody reads again, and convolves with the transposed
    weights, which a norm's scale was multiplied into.

    Args:
        traced: the folded classifier, in evaluation mode, whose parameters no longer change.
        program: of it.
    """

    def __init__(self, traced: fx.GraphModule, program: Program) -> None:
        super().__init__()
        self.traced, self.program = traced, program
        self.training = traced.training

    @classmethod
    def of(cls, traced: fx.GraphModule) -> "WrittenOut | None":
        """The classifier; None where it cannot be written out."""
        program = Writer(traced).write()
        return None if program is None else cls(traced, program)

    @property
    def pays(self) -> bool:
        """Whether it is expected to be faster than what it was made of.

        So it is where norms could not be folded, as in networks that normalise before they convolve: theirs is the
        backward pass that is saved. Elsewhere it was measured to be as fast, or a few per cent slower.
        """
        instructions = [line.instruction for line in self.program.lines]
        norms, convolutions, others = (
            sum(isinstance(one, kind) for one in instructions) for kind in (Norm, Convolution, Local)
        )
        return norms > 0 and LEAST_NORMS * convolutions <= norms and others <= MOST_LOCAL * len(instructions)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> logits (B, K)."""
        if images.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            logits: Tensor = self.traced(images)
        elif images.requires_grad and torch.is_grad_enabled():
            logits = _InImages.apply(images, self.program)
        else:
            logits, _ = self.program.run(images, keep=False)
        return logits


class _InImages(torch.autograd.Function):
    """A program's logits, and their gradient in the images."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, program: Program) -> Tensor:
        logits, ctx.tape = program.run(images, keep=True)
        ctx.program = program
        return logits.detach()  # the tape may hold what is returned, and what is returned holds the tape

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None]:
        return ctx.program.back(gradient, ctx.tape), None
