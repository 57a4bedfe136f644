"""What an objective makes of a batch."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor

_NOTHING: Mapping[str, Tensor] = MappingProxyType({})


class TrainingStep(NamedTuple):
    """What an objective makes of a batch.

    Attributes:
        loss: () what the optimizer lowers, with its graph; logged as `train/loss`.
        logits: (N, K) of the images that the training accuracy is counted over, `train/acc`; no gradient is asked of
            them.
        labels: (N,) their classes.
        logged: scalars by name that are logged besides, as `train/NAME`: the two terms of TRADES, say.
    """

    loss: Tensor
    logits: Tensor
    labels: Tensor
    logged: Mapping[str, Tensor] = _NOTHING
