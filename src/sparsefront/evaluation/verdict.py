"""What a deployed model says of images in the end."""

from typing import NamedTuple

import torch
from torch import Tensor

from sparsefront.attacks.signs.draws_differ import MOST, relative_difference
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
    counts as right all the same: an adversary has to fool both. Where no front end says that it draws, an image is
    asked about once more, and then as often as the others if the two answers differ; without draws these are the first
    one's alone.

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

    def ask_again() -> Tensor:
        return model.logits_from(model.frontend(images.clone()))

    if model.frontend.randomised:
        mean, predictions, right = _over_draws([logits, *(ask_again() for _ in range(draws - 1))], batch.label)
        return Verdict(mean, predictions, {**measured, DRAWS: right})
    second = ask_again()
    unsteady = relative_difference(logits, second) > MOST
    predictions = predicted_classes(logits)
    if unsteady.any():
        drawn = [logits, second, *(ask_again() for _ in range(draws - 2))]
        mean, most, _ = _over_draws(drawn, batch.label)
        logits = torch.where(unsteady[:, None], mean.to(logits), logits)
        predictions = torch.where(unsteady, most, predictions)
    return Verdict(logits, predictions, measured)


def _over_draws(logits: list[Tensor], labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean log-probabilities (B, K), predictions (B,) and the share of draws (B,) that is right, of logits (B, K)."""
    drawn = torch.stack(logits, dim=1)
    right = (drawn.argmax(dim=2) == labels[:, None]).double().mean(dim=1)
    mean = mean_over_copies(drawn)
    predictions = predicted_classes(mean)
    kept = (right >= 0.5) & (predictions >= 0)
    return mean, torch.where(kept, labels, predictions), right
