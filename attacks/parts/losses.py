"""Per-sample losses that an adversary raises."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Literal["ce", "cw", "dlr"]
LEAST_CLASSES = {(loss, targeted): 2 for loss in ("ce", "cw") for targeted in (False, True)}
LEAST_CLASSES |= {("dlr", False): 3, ("dlr", True): 4}
"""Classes that a loss compares, by its name and whether it is targeted."""


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(z)_y: (B, K), (B,) -> (B,)."""
    return F.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """max_{j != y} z_j - z_y (Carlini and Wagner 2017; paper 001, section 2): positive where the label has lost."""
    of_labels = logits.gather(1, labels[:, None]).squeeze(1)
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return others.amax(dim=1) - of_labels


def difference_of_logits_ratio(logits: Tensor, labels: Tensor) -> Tensor:
    """max_{j != y} z_j - z_y over z_(1) - z_(3), the gap between the first and third logit (Croce and Hein 2020)."""
    _check_classes(logits, LEAST_CLASSES["dlr", False], "dlr")
    ordered = logits.sort(dim=1, descending=True).values
    return margin(logits, labels) / (ordered[:, 0] - ordered[:, 2]).clamp_min(1e-12)


def lead(logits: Tensor, targets: Tensor, labels: Tensor | None = None) -> Tensor:
    """z_t - z_y, or z_t - max_{j != t} z_j where no labels y are given: (B, K), (B,), (B,) -> (B,)."""
    if labels is None:
        return -margin(logits, targets)
    return logits.gather(1, torch.stack([targets, labels], dim=1)).diff(dim=1).neg().squeeze(1)


def targeted_difference_of_logits_ratio(logits: Tensor, targets: Tensor, labels: Tensor | None = None) -> Tensor:
    """The target's lead over z_(1) - (z_(3) + z_(4)) / 2 (Croce and Hein 2020, where the labels are given)."""
    _check_classes(logits, LEAST_CLASSES["dlr", True], "targeted dlr")
    ordered = logits.sort(dim=1, descending=True).values
    scale = ordered[:, 0] - (ordered[:, 2] + ordered[:, 3]) / 2
    return lead(logits, targets, labels) / scale.clamp_min(1e-12)


def _check_classes(logits: Tensor, least: int, name: str) -> None:
    if logits.shape[1] < least:
        raise ValueError(f"`loss` {name} needs at least {least} classes, found {logits.shape[1]}; use ce or cw.")


def adversarial_loss(
    loss: Loss, classes: Tensor, targeted: bool, labels: Tensor | None = None
) -> Callable[[Tensor], Tensor]:
    """Logits (B, K) -> (B,), larger where the adversary is nearer to its aim: off these classes or, targeted, on them.

    With `labels` (B,) a target has to beat these alone, not every other class.
    """
    if not targeted:
        functions = {"ce": cross_entropy, "cw": margin, "dlr": difference_of_logits_ratio}
        return lambda logits: functions[loss](logits, classes)
    if loss == "ce":
        return lambda logits: -cross_entropy(logits, classes)
    towards = {"cw": lead, "dlr": targeted_difference_of_logits_ratio}[loss]
    return lambda logits: towards(logits, classes, labels)


@dataclass(frozen=True)
class Goal:
    """What an adversary wants of each sample: a loss to raise, and when it has won.

    Args:
        loss: to raise.
        classes: (B,) int64, the classes to leave or, if `targeted`, those to reach.
        targeted: whether the loss falls with the distance to the classes.
        labels: (B,) int64, given where any class but these will do, though the loss aims at one.
    """

    loss: Loss
    classes: Tensor
    targeted: bool = False
    labels: Tensor | None = None

    def losses(self, logits: Tensor) -> Tensor:
        """(B, K) -> (B,)."""
        return adversarial_loss(self.loss, self.classes, self.targeted, self.labels)(logits)

    def reached(self, logits: Tensor) -> Tensor:
        """(B, K) -> bool (B,)."""
        if self.labels is not None:
            return fooled(logits, self.labels, targeted=False)
        return fooled(logits, self.classes, self.targeted)

    def __getitem__(self, rows: Tensor) -> Self:
        """The goal of some samples, by number or by mask."""
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, classes=self.classes[rows], labels=labels)


def fooled(logits: Tensor, labels: Tensor, targeted: bool) -> Tensor:
    """Bool (B,): the prediction is the target, or is not the label."""
    return (logits.argmax(dim=1) == labels) == targeted
