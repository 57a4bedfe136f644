"""A view whose logits are neither saturated nor probabilities."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparsefront.attacks.parts.outputs import sum_to_one
from sparsefront.attacks.views.view import Logits, Meter, unmetered
from sparsefront.attacks.views.wrapped_view import WrappedView
from sparsefront.common.rules import check_rules, positive


@dataclass(frozen=True)
class RescaledLogits(WrappedView):
    """Another view's logits z, sample by sample at mean 0 and at one deviation over the classes.

    Cross entropy of logits that lie far apart has no gradient, for softmax is 1 and 0; that of outputs which are
    probabilities already sees next to nothing. The map z -> `deviation` * (z - mean z) / (deviation of z) keeps the
    order of the classes, and so every prediction; the deviation of z counts as a number, without a gradient.
    Where no output is negative and they sum to 1, their logarithms are taken first, 0 as the smallest positive number.

    Args:
        view: what the adversary knows.
        deviation: of the logits over the classes. At 1, cross entropy pulls at all classes alike: of ten digits, on a
            network whose logits were multiplied by 10,000, APGD then left 63 of 100 where 57 are left of the network
            itself and at 3.

    Raises:
        ValueError: a `deviation` that is not positive.
    """

    deviation: float = 3.0

    def __post_init__(self) -> None:
        check_rules(positive("3 suits cross entropy", deviation=self.deviation))

    def __call__(self, model: Any, meter: Meter = unmetered) -> Logits:
        """Rescale the inner view's logits."""
        inner = self.view(model, meter)
        return lambda images: self.deviation * standardised(inner(images))


def standardised(outputs: Tensor) -> Tensor:
    """Logits or probabilities (B, K) -> logits (B, K) of mean 0 and deviation 1, in the same order."""
    levels = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    smallest = torch.finfo(levels.dtype).tiny
    # Where there is a negative output the logarithm is not used, and its gradient is 0 and not NaN.
    levels = torch.where(sum_to_one(outputs)[:, None], levels.clamp_min(smallest).log(), levels)
    centred = levels - levels.mean(dim=1, keepdim=True)
    largest = centred.detach().abs().amax(dim=1, keepdim=True).clamp_min(smallest)
    at_most_1 = centred / largest  # whose squares are numbers, however large the logits are
    deviation = at_most_1.detach().square().mean(dim=1, keepdim=True).sqrt()
    return at_most_1 / deviation.clamp_min(smallest)
