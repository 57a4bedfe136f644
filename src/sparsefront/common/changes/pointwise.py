"""Functions of each value by itself."""

from torch import Tensor, nn

from sparsefront.common.changes import kinds
from sparsefront.common.changes.step import Numbers, Step


class Pointwise(Step):
    """A function of each value by itself, such as a rectifier.

    Args:
        layer: one of those that `follows` knows.
    """

    kind = kinds.POINTWISE
    keeps_output = False

    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer
        self._function, self._bounds = _known(layer)

    @staticmethod
    def follows(layer: nn.Module) -> bool:
        """Whether the kernel knows a layer."""
        return _known(layer)[0] >= 0

    def whole(self, maps: Tensor) -> Tensor:
        """The function of all values."""
        made: Tensor = self.layer(maps.clone())  # it may work in place
        return made

    def numbers(self, height: int, width: int) -> Numbers:
        """Which function it is, and its bounds."""
        return Numbers((self._function,), self._bounds)


def _known(layer: nn.Module) -> tuple[int, tuple[float, ...]]:
    """The kernel's number of a layer's function, -1 if it has none, and its bounds."""
    match layer:
        case nn.Hardtanh():  # of which ReLU6 is one
            return kinds.CLIP, (float(layer.min_val), float(layer.max_val))
        case nn.ReLU():
            return kinds.CLIP, (0.0, float("inf"))
        case nn.LeakyReLU():
            return kinds.LEAKY, (float(layer.negative_slope),)
        case nn.Sigmoid():
            return kinds.SIGMOID, ()
        case nn.Tanh():
            return kinds.TANH, ()
        case nn.SiLU():
            return kinds.SILU, ()
        case nn.GELU() if layer.approximate == "none":
            return kinds.GELU, ()
    return -1, ()
