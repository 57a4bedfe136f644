"""Two ways to a gradient, for models that allow one of them alone."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from sparsefront.attacks.parts.guarded import without_parameter_gradients

Result = TypeVar("Result")

_REFUSED = ("checkpoint", ".grad()")  # among torch's words, in `torch.utils.checkpoint`
_by_backward = False


class ReentrantCheckpointError(RuntimeError):
    """A model keeps activations by reentrant checkpointing, which allows no gradient of one tensor alone."""


def gradient_of(outputs: Tensor, images: Tensor, weights: Tensor | None, retain_graph: bool) -> Tensor | None:
    """The gradient of weighted outputs in the images, a leaf (B, C, H, W); None where none leads there.

    By `autograd.grad`, which leaves no trace. Reentrant checkpointing refuses that and its graph is spent then; from
    there on by `backward`, whose traces on parameters are taken away.

    Raises:
        ReentrantCheckpointError: once, the first time such a model is met: do the forward pass again.
    """
    global _by_backward
    if _by_backward and images.is_leaf:
        return _accumulated(outputs, images, weights, retain_graph)
    try:
        return torch.autograd.grad(outputs, images, weights, retain_graph=retain_graph, allow_unused=True)[0]
    except RuntimeError as error:
        if not all(word in str(error).lower() for word in _REFUSED):
            raise
        _by_backward = True
        raise ReentrantCheckpointError(
            "`model` uses reentrant checkpointing, which allows no gradient in its input alone; write "
            "`use_reentrant=False` in its calls of torch.utils.checkpoint."
        ) from error


def _accumulated(outputs: Tensor, images: Tensor, weights: Tensor | None, retain_graph: bool) -> Tensor | None:
    before, images.grad = images.grad, None
    try:
        with without_parameter_gradients():
            torch.autograd.backward(outputs, weights, retain_graph=retain_graph)
        return images.grad
    finally:
        images.grad = before


def retried(attempt: Callable[[], Result]) -> Result:
    """What an attempt returns; made again if it was the first to meet reentrant checkpointing."""
    try:
        return attempt()
    except ReentrantCheckpointError:
        return attempt()
