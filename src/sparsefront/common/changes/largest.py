"""The largest values of windows."""

from collections.abc import Sequence

from torch import Tensor, nn

from sparsefront.common.changes import kinds
from sparsefront.common.changes.step import Numbers, Step
from sparsefront.common.changes.windows import Edges, window_places


class Largest(Step):
    """The largest value of each window and channel.

    Args:
        layer: max pooling that `follows` says can be followed.
    """

    kind = kinds.LARGEST
    keeps_input = True

    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer

    @staticmethod
    def follows(layer: nn.Module) -> bool:
        """Whether a layer is max pooling without padding."""
        if isinstance(layer, nn.AdaptiveMaxPool2d):
            return not layer.return_indices
        if not isinstance(layer, nn.MaxPool2d) or layer.ceil_mode or layer.return_indices:
            return False
        return layer.padding in (0, (0, 0)) and layer.dilation in (1, (1, 1))

    def whole(self, maps: Tensor) -> Tensor:
        """The layer of whole maps."""
        made: Tensor = self.layer(maps.permute(0, 3, 1, 2))
        return made.permute(0, 2, 3, 1)

    def numbers(self, height: int, width: int) -> Numbers:
        """Where the windows are."""
        down, along = (self._windows(size, axis) for axis, size in enumerate((height, width)))
        return Numbers(places=window_places(down, height, along, width))

    def _windows(self, size: int, axis: int) -> Edges:
        if isinstance(self.layer, nn.AdaptiveMaxPool2d):
            wanted = _of(self.layer.output_size, axis)
            count = size if wanted is None else wanted
            return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
        side, stride = (_of(getattr(self.layer, name), axis) or size for name in ("kernel_size", "stride"))
        return [(begin, begin + side) for begin in range(0, size - side + 1, stride)]


def _of(setting: int | Sequence[int | None] | None, axis: int) -> int | None:
    return setting[axis] if isinstance(setting, Sequence) else setting
