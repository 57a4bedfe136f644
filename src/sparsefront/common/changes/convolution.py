"""Convolutions of changes."""

from typing import TypeGuard

from torch import Tensor, nn

from sparsefront.common.changes import kinds
from sparsefront.common.changes.step import Numbers, Step


class Convolution(Step):
    """A convolution or a transposed one: what it makes of a difference is added to what was there.

    Args:
        layer: a layer that `follows` says can be followed.
    """

    kind = kinds.CONVOLUTION

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
        self.layer = layer

    @staticmethod
    def follows(layer: nn.Module) -> TypeGuard[nn.Conv2d | nn.ConvTranspose2d]:
        """Whether a layer is one whose changes can be followed."""
        if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) or layer.groups > 1 or layer.dilation != (1, 1):
            return False
        if isinstance(layer, nn.ConvTranspose2d):
            return layer.output_padding == (0, 0)
        return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)

    def whole(self, maps: Tensor) -> Tensor:
        """The layer of whole maps."""
        made: Tensor = self.layer(maps.permute(0, 3, 1, 2))
        return made.permute(0, 2, 3, 1)

    def numbers(self, height: int, width: int) -> Numbers:
        """Kernel, stride, padding, whether it is transposed; weights (h, in, w, out): later ones reach further."""
        transposed = isinstance(self.layer, nn.ConvTranspose2d)
        weight = self.layer.weight.detach()
        weight = weight.permute(2, 0, 3, 1) if transposed else weight.flip(2, 3).permute(2, 1, 3, 0)
        padding = (int(side) for side in self.layer.padding)
        settings = (*self.layer.kernel_size, *self.layer.stride, *padding, int(transposed))
        return Numbers(settings, weights=weight.flatten())
