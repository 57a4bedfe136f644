"""What a deployed model says of images in the end."""

from typing import NamedTuple

import torch
from torch import Tensor

from sparsefront.common.logits import mean_over_copies, predicted_classes
from sparsefront.data.batch import Batch
from sparsefront.evaluation.quality import quality
from sparsefront.model.defended import DefendedClassifier
from sparsefront.results.samples import DRAWS


class Verdict(NamedTuple):
    """The last word on B images.

    Attributes:
        logits: (B, K), over several draws the log of the mean probability.
        predictions: (B,) int64, -1 where a logit is not a number.
        measured: (B,) each: `psnr` and `ssim` of what the classifier sees, and over several draws `draws`, the share
            of them that is right.
    """

    logits: Tensor
    predictions: Tensor
    measured: dict[str, Tensor]


@torch.no_grad()
def verdict(
    model: DefendedClassifier, images: Tensor, batch: Batch, draws: int = 1, *, with_quality: bool = False
) -> Verdict:
    """Ask a deployed model, as often as it draws random numbers anew.

    Of several draws the mean probability decides; an image that fools the mean and no more than half of the draws
    counts as right all the same: an adversary has to fool both.

    Args:
        model: in evaluation mode.
        images: (B, C, H, W), what became of the batch's images.
        batch: the clean images with their true labels.
        draws: forwards.
        with_quality: whether `psnr` and `ssim` are measured, of the first draw.
    """
    through = model.frontend(images.clone())
    measured = quality(through, batch.image) if with_quality else {}
    logits = model.logits_from(through)
    if draws == 1:
        return Verdict(logits, predicted_classes(logits), measured)
    others = [model.logits_from(model.frontend(images.clone())) for _ in range(draws - 1)]
    drawn = torch.stack([logits, *others], dim=1)
    right = (drawn.argmax(dim=2) == batch.label[:, None]).double().mean(dim=1)
    logits = mean_over_copies(drawn)
    predictions = predicted_classes(logits)
    kept = (right >= 0.5) & (predictions >= 0)
    return Verdict(logits, torch.where(kept, batch.label, predictions), {**measured, DRAWS: right})
