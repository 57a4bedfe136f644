"""What deep sparse coding makes of a batch."""

from typing import NamedTuple

from torch import Tensor


class DSCCodes(NamedTuple):
    """What deep sparse coding makes of a batch.

    Attributes:
        layers: codes (B, *shape) of each of `layers`, the shared top last; of absent images the top alone.
        second_layers: codes of each layer of the second modality; none where that is absent.
        converged: (B,) bool, whose codes came to rest.
    """

    layers: list[Tensor]
    second_layers: list[Tensor]
    converged: Tensor
