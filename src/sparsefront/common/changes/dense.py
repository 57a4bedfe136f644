"""Linear layers of changes."""

from torch import Tensor, nn

from sparsefront.common.changes import kinds
from sparsefront.common.changes.step import Numbers, Step


class Dense(Step):
    """A linear layer of flattened maps: a convolution whose kernel is as large as the maps.

    Args:
        layer: of maps (B, C, H, W) flattened, or of what another such step made.
    """

    kind = kinds.CONVOLUTION

    def __init__(self, layer: nn.Linear) -> None:
        self.layer = layer

    def whole(self, maps: Tensor) -> Tensor:
        """The layer of whole maps (B, H, W, C): maps of one position (B, 1, 1, K)."""
        made: Tensor = self.layer(maps.permute(0, 3, 1, 2).flatten(1))
        return made[:, None, None]

    def numbers(self, height: int, width: int) -> Numbers:
        """As of a convolution."""
        weight = self.layer.weight.detach().unflatten(1, (-1, height, width))
        return Numbers((height, width, 1, 1, 0, 0, 0), weights=weight.flip(2, 3).permute(2, 1, 3, 0).flatten())
