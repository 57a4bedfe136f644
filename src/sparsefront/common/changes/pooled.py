"""Pooling of changes."""

from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsefront.common.changes.change import Change
from sparsefront.common.changes.kept_maps import KeptMaps, Settle
from sparsefront.common.changes.stage import Stage


class Pooled(Stage):
    """The largest value of each k x k, k also the stride.

    Args:
        layer: a pooling that `follows` says can be followed.
    """

    def __init__(self, layer: nn.MaxPool2d) -> None:
        size = layer.kernel_size
        self.size = size if isinstance(size, int) else size[0]

    @staticmethod
    def follows(layer: nn.Module) -> TypeGuard[nn.MaxPool2d]:
        """Whether a layer is a pooling of this kind."""
        if not isinstance(layer, nn.MaxPool2d) or layer.ceil_mode or layer.return_indices:
            return False
        same = layer.kernel_size == layer.stride and isinstance(layer.kernel_size, int)
        return same and layer.padding in (0, (0, 0)) and layer.dilation in (1, (1, 1))

    def whole(self, maps: Tensor, samples: Tensor | None) -> Tensor:
        """Pool whole maps."""
        made = F.max_pool2d(maps.permute(0, 3, 1, 2), self.size).permute(0, 2, 3, 1)
        if samples is None:
            self._input, self._made = KeptMaps(maps), KeptMaps(made)
        else:
            self._input.replace(samples, maps)
            self._made.replace(samples, made)
        return made

    def follow(self, change: Change) -> tuple[Change, Settle]:
        """Pool anew whatever the changed positions belong to."""
        back = self._input.write(change.places, change.new)
        samples, lines, columns = self._input.split(change.places)
        places = self._made.each_once(self._made.places(samples, lines // self.size, columns // self.size))
        samples, lines, columns = (part[:, None] for part in self._made.split(places))
        inner = torch.arange(self.size**2, device=places.device)
        down, along = lines * self.size + inner // self.size, columns * self.size + inner % self.size
        new = self._input.read(self._input.places(samples, down, along)).amax(dim=1)
        old = self._made.take_from(places, new)
        settle = self._made.settling(places, old)

        def both(accepted: Tensor) -> None:
            back(accepted)
            settle(accepted)

        return Change(places, new, old).where_it_is_one(), both
