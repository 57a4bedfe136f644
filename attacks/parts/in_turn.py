"""Several attacks, one after the other."""

from collections.abc import Iterable

from torch import Tensor

from sparsefront.attacks.base import Attack
from sparsefront.attacks.parts.losses import fooled
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.queries import mean_logits
from sparsefront.attacks.parts.walk import all_rows


def attack_in_turn(
    attacks: Iterable[Attack],
    model: Model,
    images: Tensor,
    labels: Tensor,
    indices: Tensor,
    *,
    targeted: bool,
    starts: Tensor | None = None,
) -> Tensor:
    """Hand each attack the samples that those before it left standing.

    Whether a sample has fallen to an attack is judged by the mean of the logits over that attack's `eot_iter` passes.
    An attack whose loss needs more classes than the model has is left out, the first one excepted.

    Args:
        attacks: in their order.
        model: images (B, C, H, W) -> logits (B, K).
        images: (B, C, H, W) in [0, 1].
        labels: (B,) int64, the classes aimed at if `targeted`.
        indices: (B,) int64, the samples' numbers.
        targeted: whether a sample falls by reaching its label rather than by leaving it.
        starts: (B, C, H, W), handed to each attack to begin from.

    Returns:
        (B, C, H, W): what brought each sample down, or what the last attack made of it.
    """
    adversarial = images.clone()
    standing = all_rows(images)
    n_classes: int | None = None  # known from the first attack's logits on
    for attack in attacks:
        if n_classes is not None and attack.least_classes > n_classes:
            continue
        begun = None if starts is None else starts[standing]
        adversarial[standing] = attack(model, images[standing], labels[standing], indices[standing], begun)
        logits = mean_logits(model, adversarial[standing], getattr(attack, "eot_iter", 1))
        n_classes = logits.shape[1]
        standing = standing[~fooled(logits, labels[standing], targeted)]
        if not len(standing):
            break
    return adversarial
