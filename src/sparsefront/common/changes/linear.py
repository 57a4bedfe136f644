"""Convolutions of changes."""

from typing import TypeGuard

import torch
from torch import Tensor, nn

from sparsefront.common.changes.change import Change
from sparsefront.common.changes.kept_maps import KeptMaps, Settle
from sparsefront.common.changes.stage import Stage


class Linear(Stage):
    """A convolution of stride 1, or a transposed one: what it makes of a difference is added to what was there.

    Args:
        layer: a layer that `follows` says can be followed.
    """

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
        self.layer = layer
        self._transposed = isinstance(layer, nn.ConvTranspose2d)
        high, wide = layer.kernel_size
        weight = layer.weight.detach()  # (in, out, h, w) of a transposed one, else (out, in, h, w)
        order = (0, 2, 3, 1) if self._transposed else (1, 2, 3, 0)
        self._weight = weight.permute(order).flatten(1).contiguous()  # (in, h * w * out)
        device = weight.device
        self._down = torch.arange(high, device=device).repeat_interleave(wide)
        self._along = torch.arange(wide, device=device).repeat(high)

    @staticmethod
    def follows(layer: nn.Module) -> TypeGuard[nn.Conv2d | nn.ConvTranspose2d]:
        """Whether a layer is one whose changes can be followed."""
        if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) or layer.groups > 1 or layer.dilation != (1, 1):
            return False
        if isinstance(layer, nn.ConvTranspose2d):
            return layer.output_padding == (0, 0)
        return layer.stride == (1, 1) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)

    def whole(self, maps: Tensor, samples: Tensor | None) -> Tensor:
        """The layer of whole maps."""
        made: Tensor = self.layer(maps.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        if samples is None:
            self._size = maps.shape[1:3]
            self._made = KeptMaps(made)
        else:
            self._made.replace(samples, made)
        return made

    def follow(self, change: Change) -> tuple[Change, Settle]:
        """Add the layer of the difference, without its bias, to what was there."""
        made, targets = (change.new - change.old) @ self._weight, self._targets(change.places)
        places = self._made.each_once(targets)
        before = self._made.read(places)
        self._made.flat.index_add_(0, targets.flatten(), made.view(targets.numel(), self._made.flat.shape[1]))
        return Change(places, self._made.read(places), before), self._made.settling(places, before)

    def _targets(self, places: Tensor) -> Tensor:
        """Places (P, h * w) of the output that positions (P,) of the input reach through each entry of the kernel."""
        height, width = self._size
        (stride, across), (up, aside) = self.layer.stride, (int(side) for side in self.layer.padding)
        lines, columns = places // width, places % width
        samples, lines = lines // height, lines % height
        if self._transposed:
            down, along = lines[:, None] * stride - up + self._down, columns[:, None] * across - aside + self._along
        else:
            down, along = lines[:, None] + up - self._down, columns[:, None] + aside - self._along
        return self._made.places(samples[:, None], down, along)
