"""How far the next class is from taking the label's place."""

from collections.abc import Callable

import torch
from torch import Tensor

from sparsefront.attacks.parts.losses import lead
from sparsefront.attacks.parts.model import Model


@torch.no_grad()
def lead_of_runner_up(model: Model, images: Tensor, labels: Tensor) -> Callable[[Tensor], Tensor]:
    """A loss of logits (B, K) -> (B,), z_j - z_y where j is the class next to the label at these images. 1 pass.

    Unlike the margin it keeps to one class, so that it has no kink of its own that a sign could be taken for.
    """
    runners_up = model(images).scatter(1, labels[:, None], -torch.inf).argmax(dim=1)
    return lambda logits: lead(logits, runners_up, labels)
