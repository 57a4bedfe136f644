"""How much each neuron of the last hidden layer speaks for a class."""

import torch
from torch import Tensor


def strongest(weight: Tensor) -> int:
    """The neuron of the largest weight (n,) towards a class; where none is positive, of the largest against it."""
    return int((weight if weight.max() > 0 else -weight).argmax())


def indicator(weight: Tensor, positive: int) -> Tensor:
    """Weights (n,) towards a class in the last linear map; the largest is the strongest linear indicator's.

        w_j = W_pj - mean_{k != p} W_kj

    Of a read-out with one output, as a support vector machine's, its only row. (Paper 003, section 4.1, Figure 4.)

    Args:
        weight: (K, n).
        positive: p, the class.
    """
    if len(weight) == 1:
        return weight[0]
    others = torch.arange(len(weight), device=weight.device) != positive
    return weight[positive] - weight[others].mean(dim=0)
