"""Asking a model for its answers only."""

from collections.abc import Callable

import torch
from torch import Tensor

from sparsefront.attacks.parts.losses import fooled
from sparsefront.attacks.parts.model import Model


def checked_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """Return (B, K) logits; raise a ValueError where they are not finite or the labels not among their classes."""
    if logits.ndim != 2 or len(logits) != len(labels):
        raise ValueError(f"`model` must return logits ({len(labels)}, K), found {tuple(logits.shape)}.")
    if logits.shape[1] < 2:
        raise ValueError("`model` must tell at least 2 classes apart, found logits of 1: no other answer can be wrong.")
    if not logits.isfinite().all():
        raise ValueError("`model` must return finite logits, found NaN or infinity; attack in float32.")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(
            f"`labels` must lie in [0, {logits.shape[1]}), the model's classes, "
            f"found [{labels.min().item()}, {labels.max().item()}]."
        )
    return logits


def mean_over_passes(one_pass: Callable[[], tuple[Tensor, ...]], eot_iter: int) -> tuple[Tensor, ...]:
    """Tensors of `eot_iter` passes through a model, averaged: the same as one pass unless the model draws numbers."""
    sums = one_pass()
    for _ in range(eot_iter - 1):
        sums = tuple(total + more for total, more in zip(sums, one_pass(), strict=True))
    return tuple(total / eot_iter for total in sums)


@torch.no_grad()
def mean_logits(model: Model, images: Tensor, eot_iter: int) -> Tensor:
    """(B, C, H, W) -> (B, K), averaged over `eot_iter` passes."""
    return mean_over_passes(lambda: (model(images),), eot_iter)[0]


def in_chunks(model: Model, size: int = 1024) -> Model:
    """A model that is asked about `size` images at a time, however many it is given: bounds memory, not the result."""
    return lambda images: torch.cat([model(chunk) for chunk in images.split(size)])


@torch.no_grad()
def answers(model: Model, images: Tensor, labels: Tensor) -> Tensor:
    """Logits (B, K) of images (B, C, H, W) whose labels are (B,)."""
    return checked_logits(in_chunks(model)(images), labels)


def fools(model: Model, images: Tensor, labels: Tensor, targeted: bool) -> Tensor:
    """Bool (B,): the model gives the target, or another label."""
    return fooled(answers(model, images, labels), labels, targeted)
