"""What the attacks of a chain hand on from one to the next."""

from collections.abc import Callable
from typing import Literal, Self

import torch
from torch import Tensor

from sparsefront.attacks.parts.losses import margin


class Chain:
    """The samples that the attacks of a chain have left standing, with the best image of each so far.

    Each attack of a chain meets only what those before it left, and one that begins from points begins from the image
    of largest margin max_{j != y} z_j - z_y by the deployed model, whichever attack found it.

    Attributes:
        standing: (B,) bool.
        images: (B, C, H, W) what brought a sample down, or the clean image of one that stands.
        predictions: (B,) int64, of these images.
        best: (B, C, H, W) the image of largest margin, the clean one before any attack.
        margins: (B,) of the best images.
    """

    def __init__(self, standing: Tensor, images: Tensor, predictions: Tensor, best: Tensor, margins: Tensor) -> None:
        self.standing, self.images, self.predictions = standing, images, predictions
        self.best, self.margins = best, margins

    @classmethod
    def begin(cls, images: Tensor, logits: Tensor, predictions: Tensor, labels: Tensor, correct: Tensor) -> Self:
        """Before any attack, at clean images (B, C, H, W) with logits (B, K), of which some (B,) are right."""
        return cls(correct, images, predictions, images, margin(logits, labels))

    def made(self, tried: Tensor, start: Literal["clean", "best"], attack: Callable[[Tensor | None], Tensor]) -> Tensor:
        """What an attack makes of some samples, (B, C, H, W), and of the others what the chain holds of them.

        Args:
            tried: (B,) bool, the S samples.
            start: whether the attack begins as it does by itself or from the best images.
            attack: from points (S, C, H, W) to begin from, or None, to adversarial images (S, C, H, W); not called
                without samples.
        """
        images = self.images.clone()
        if tried.any():
            images[tried] = attack(self.best[tried] if start == "best" else None)
        return images

    def take(self, tried: Tensor, images: Tensor, logits: Tensor, predictions: Tensor, labels: Tensor) -> None:
        """Take over what an attack made of the samples that it tried.

        Args:
            tried: (B,) bool.
            images: (B, C, H, W).
            logits: (B, K) of these by the deployed model.
            predictions: (B,) by the deployed model.
            labels: (B,) true classes.
        """
        margins = margin(logits, labels).to(self.margins)
        better = tried & (margins > self.margins)
        self.margins = torch.where(better, margins, self.margins)
        self.best = _where(better, images, self.best)
        fell = tried & (predictions != labels)
        self.standing = self.standing & ~fell
        self.images = _where(fell, images, self.images)
        self.predictions = torch.where(fell, predictions, self.predictions)


def _where(mask: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """Sample by sample one of two: (B,), (B, C, H, W) twice."""
    return torch.where(mask[:, None, None, None], yes, no)
