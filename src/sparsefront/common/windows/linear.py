"""Convolutions of changes."""

from typing import TypeGuard

from torch import Tensor, nn
from torch.nn import functional as F

from sparsefront.common.windows.change import Change
from sparsefront.common.windows.kept_maps import KeptMaps
from sparsefront.common.windows.stage import Stage


class Linear(Stage):
    """A convolution or a transposed one, of stride 1 or, transposed, any: what it makes of a change is a difference.

    Args:
        layer: `nn.Conv2d` or `nn.ConvTranspose2d` that `follows` says can be followed.
    """

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
        self.layer = layer
        self.transposed = isinstance(layer, nn.ConvTranspose2d)

    @staticmethod
    def follows(layer: nn.Module) -> TypeGuard[nn.Conv2d | nn.ConvTranspose2d]:
        """Whether a layer is one whose changes can be followed."""
        if isinstance(layer, nn.ConvTranspose2d):
            return layer.dilation == (1, 1) and layer.output_padding == (0, 0)
        plain = isinstance(layer, nn.Conv2d) and layer.stride == layer.dilation == (1, 1)
        return plain and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)

    def whole(self, maps: Tensor, rows: Tensor | None) -> Tensor:
        """The layer of whole maps."""
        made: Tensor = self.layer(maps.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        if rows is None:
            self._kept = KeptMaps(made)
        else:
            self._kept.replace(rows, made)
        return made

    def follow(self, change: Change) -> Change:
        """Add the layer of the difference, without its bias, to what was there."""
        layer = self.layer
        (stride, across), (high, wide) = layer.stride, layer.kernel_size
        up, aside = (int(side) for side in layer.padding)
        difference = (change.new - change.old).permute(0, 3, 1, 2)
        if self.transposed:
            made = F.conv_transpose2d(difference, layer.weight, stride=layer.stride, groups=layer.groups)
            top, left = change.top * stride - up, change.left * across - aside
        else:
            made = F.conv2d(difference, layer.weight, padding=(high - 1, wide - 1), groups=layer.groups)
            top, left = change.top + up - high + 1, change.left + aside - wide + 1
        made = made.permute(0, 2, 3, 1)
        self._places = self._kept.places(change.rows, top, left, *made.shape[1:3])
        old = self._kept.read(self._places)
        self._new = self._kept.only_inside(self._places, old + made)
        return Change(change.rows, top, left, self._new, old)

    def settle(self, accepted: Tensor) -> None:
        """Keep what was made for the samples that changed."""
        if accepted.any():
            self._kept.write(self._places[accepted], self._new[accepted])
