"""Gradients of several functions of the logits at once."""

from collections.abc import Callable

import torch
from torch import Tensor

from sparsefront.attacks.parts.differentiation import input_gradient
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.queries import checked_logits


def logit_gradients(
    model: Model, images: Tensor, labels: Tensor, outputs: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Logits (B, K), and the gradients (J, B, C, H, W) of J functions of them, by one forward and J backward passes.

    Args:
        model: images -> logits.
        images: (B, C, H, W).
        labels: (B,), only checked.
        outputs: logits (B, K) -> (J, B).
    """
    points = images.detach().requires_grad_()
    logits = checked_logits(model(points), labels)
    rows = outputs(logits)
    last = len(rows) - 1
    gradients = [input_gradient(row.sum(), points, retain_graph=j < last) for j, row in enumerate(rows)]
    return logits.detach(), torch.stack(gradients)


def leads(logits: Tensor, labels: Tensor, classes: Tensor) -> Tensor:
    """z_class - z_label of classes (J, B): (B, K), (B,) -> (J, B)."""
    return (logits.gather(1, classes.T) - logits.gather(1, labels[:, None])).T


def runners_up(logits: Tensor, labels: Tensor, count: int | None = None) -> Tensor:
    """The classes of largest logits (B, K) but the labels (B,), in order: (J, B), all if no count is given."""
    others = logits.shape[1] - 1
    wrong = logits.scatter(1, labels[:, None], -torch.inf)
    return wrong.topk(others if count is None else min(count, others), dim=1).indices.T
