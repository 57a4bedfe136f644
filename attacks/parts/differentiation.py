"""Gradients of a model in its images, by whichever of two ways it allows."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from sparsefront.attacks.parts.guarded import without_parameter_gradients
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.queries import checked_logits, mean_over_passes

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


def value_and_gradient(
    model: Model, images: Tensor, loss: Callable[[Tensor], Tensor], labels: Tensor, eot_iter: int = 1
) -> tuple[Tensor, Tensor]:
    """Logits (B, K) and the gradient of the summed per-sample losses with respect to the images (B, C, H, W).

    Both are means over `eot_iter` passes (expectation over transformation, Athalye et al. 2018): the gradient of the
    expected loss where the model is randomised.
    """

    def one_pass() -> tuple[Tensor, Tensor]:
        point = images.detach().requires_grad_()
        logits = checked_logits(model(point), labels)
        return logits.detach(), input_gradient(loss(logits).sum(), point)

    logits, gradient = mean_over_passes(lambda: retried(one_pass), eot_iter)
    return logits, gradient


def input_gradient(
    outputs: Tensor, images: Tensor, weights: Tensor | None = None, *, retain_graph: bool = False
) -> Tensor:
    """The gradient of outputs, a number or weighted sum, with respect to images (B, C, H, W).

    `retain_graph` lets the same outputs be differentiated again.

    Raises:
        ValueError: there is none, or it is not finite.
    """
    gradient = None
    if outputs.requires_grad:
        gradient = gradient_of(outputs, images, weights, retain_graph)
    if gradient is None:
        raise ValueError(
            "`model` must be differentiable, found logits that carry no gradient to the images; "
            "give it a differentiable stand-in (BPDA) or use an attack that needs no gradient."
        )
    if not gradient.isfinite().all():
        raise ValueError("the gradient of `model` must be finite, found NaN or infinity; attack in float32.")
    return gradient
