"""The gradient in one tensor alone, also of models that allow no such thing."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")

_REFUSED = ("checkpoint", ".grad()")  # among torch's words, in `torch.utils.checkpoint`
_by_backward = False


class ReentrantCheckpointError(RuntimeError):
    """A model keeps activations by reentrant checkpointing, which allows no gradient of one tensor alone."""


def gradient_of(
    outputs: Tensor,
    inputs: Tensor,
    parameters: Iterable[Tensor],
    weights: Tensor | None = None,
    retain_graph: bool = False,
) -> Tensor | None:
    """The gradient of weighted outputs in a tensor, of its shape; None where none leads there.

    By `autograd.grad`, which leaves no trace. Reentrant checkpointing refuses that and its graph is spent then; from
    there on by `backward`, whose traces on parameters are taken away, wherever that can reach the tensor: a leaf, or
    one that retains its gradient.

    Args:
        outputs: a number, or any shape with weights.
        inputs: the tensor.
        parameters: of the models that the outputs come from, which keep the gradients that they have.
        weights: of the outputs, of their shape.
        retain_graph: whether the same outputs may be differentiated again.

    Raises:
        ReentrantCheckpointError: once, the first time such a model is met: do the forward pass again (see `retried`).
    """
    global _by_backward
    if _by_backward and (inputs.is_leaf or inputs.retains_grad):
        return _accumulated(outputs, inputs, parameters, weights, retain_graph)
    try:
        return torch.autograd.grad(outputs, inputs, weights, retain_graph=retain_graph, allow_unused=True)[0]
    except RuntimeError as error:
        if not all(word in str(error).lower() for word in _REFUSED):
            raise
        _by_backward = True
        raise ReentrantCheckpointError(
            "`model` uses reentrant checkpointing, which allows no gradient in its input alone; write "
            "`use_reentrant=False` in its calls of torch.utils.checkpoint."
        ) from error


def retried(attempt: Callable[[], Result]) -> Result:
    """What an attempt returns; made again if it was the first to meet reentrant checkpointing."""
    try:
        return attempt()
    except ReentrantCheckpointError:
        return attempt()


def _accumulated(
    outputs: Tensor, inputs: Tensor, parameters: Iterable[Tensor], weights: Tensor | None, retain_graph: bool
) -> Tensor | None:
    before, inputs.grad = inputs.grad, None
    try:
        with _keeping_gradients(parameters):
            torch.autograd.backward(outputs, weights, retain_graph=retain_graph)
        return inputs.grad
    finally:
        inputs.grad = before


@contextmanager
def _keeping_gradients(parameters: Iterable[Tensor]) -> Iterator[None]:
    """Parameters keep the gradients that they have, whatever is accumulated in between."""
    before = [(parameter, parameter.grad) for parameter in parameters]
    try:
        for parameter, _ in before:
            parameter.grad = None
        yield
    finally:
        for parameter, gradient in before:
            parameter.grad = gradient
