"""Asking a model for its answers only."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sparsefront.attacks.parts.losses import fooled
from sparsefront.attacks.parts.model import Model

VALUES_AT_ONCE = 128 * 3 * 32 * 32  # of images that several draws of a batch make together; a batch may have more


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


def draws_of_passes(model: Model, images: Tensor, eot_iter: int) -> list[int]:
    """How often each of several calls puts images (B, C, H, W) through a model, `eot_iter` times in all.

    One that says `draws_each_image` draws for copies of an image in a batch as it would in calls of their own: as many
    go through together as `VALUES_AT_ONCE` allow. Any other is called once for each draw.
    """
    if not getattr(model, "draws_each_image", False):
        return [1] * eot_iter
    most = max(VALUES_AT_ONCE // max(images.numel(), 1), 1)
    whole, rest = divmod(eot_iter, most)
    return [most] * whole + [rest] * (rest > 0)


def mean_over_draws(one_pass: Callable[[int], tuple[Tensor, ...]], draws: Sequence[int]) -> tuple[Tensor, ...]:
    """Tensors averaged over draws of a model, of which `one_pass` sums so many: without any, the same as one pass."""
    sums = one_pass(draws[0])
    for number in draws[1:]:
        sums = tuple(total + more for total, more in zip(sums, one_pass(number), strict=True))
    return tuple(total / sum(draws) for total in sums)


def logits_of_draws(model: Model, images: Tensor, number: int) -> list[Tensor]:
    """(B, C, H, W) -> logits (B, K) of each of so many draws in one call."""
    if number == 1:
        return [model(images)]
    return list(model(images.repeat(number, 1, 1, 1)).chunk(number))


@torch.no_grad()
def mean_logits(model: Model, images: Tensor, eot_iter: int) -> Tensor:
    """(B, C, H, W) -> logits (B, K), averaged over `eot_iter` draws."""

    def one_pass(number: int) -> tuple[Tensor, ...]:
        first, *others = logits_of_draws(model, images, number)
        return (sum(others, first),)

    return mean_over_draws(one_pass, draws_of_passes(model, images, eot_iter))[0]


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
